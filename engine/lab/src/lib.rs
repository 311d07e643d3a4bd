//! brigade-lab
