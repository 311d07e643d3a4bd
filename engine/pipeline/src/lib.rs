//! brigade-pipeline
