//! brigade-state
