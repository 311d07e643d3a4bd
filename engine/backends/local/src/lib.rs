//! brigade-local
