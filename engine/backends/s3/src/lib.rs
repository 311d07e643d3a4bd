//! brigade-s3
