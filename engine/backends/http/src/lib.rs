//! brigade-http
