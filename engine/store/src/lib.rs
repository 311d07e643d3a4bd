//! brigade-store
