//! brigade-gcs
