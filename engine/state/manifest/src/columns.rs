//! The rows of one row group, column by column: gathered before they are written, and as they are read.
//!
//! Parquet stores columns one after the other, while rows come and go one by one; these two types turn one into the other.

mod column;
mod gather;
mod scatter;

pub use column::Column;
pub(crate) use gather::Gather;
pub(crate) use scatter::Scatter;
