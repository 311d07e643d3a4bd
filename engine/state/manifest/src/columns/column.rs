//! One flat column of a row group as it is read, some rows at a time; for every reader of Parquet in this workspace.

use parquet::column::reader::{ColumnReaderImpl, get_typed_column_reader};
use parquet::data_type::DataType;
use parquet::file::reader::RowGroupReader;

/// What is wrong with the column, in one sentence.
type Result<T> = std::result::Result<T, String>;

/// One column: its reader, and the values of the rows that were read.
pub struct Column<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
    levels: Option<Vec<i16>>,
    next_value: usize,
}

impl<T: DataType> Column<T> {
    /// The column at this place of the schema.
    pub fn new(group: &dyn RowGroupReader, index: usize) -> Result<Self> {
        let nullable = group.metadata().column(index).column_descr().max_def_level() > 0;
        let reader = group.get_column_reader(index).map_err(|error| error.to_string())?;
        Ok(Self { reader: get_typed_column_reader(reader), values: Vec::new(), levels: nullable.then(Vec::new), next_value: 0 })
    }

    /// Reads exactly so many rows.
    pub fn load(&mut self, rows: usize) -> Result<()> {
        self.values.clear();
        self.next_value = 0;
        if let Some(levels) = &mut self.levels {
            levels.clear();
        }
        let (read, ..) = self.reader.read_records(rows, self.levels.as_mut(), None, &mut self.values).map_err(|error| error.to_string())?;
        if read == rows { Ok(()) } else { Err(format!("a column ends {} rows too early", rows - read)) }
    }

    /// The value of row `at`, which follows the row asked for last.
    pub fn next(&mut self, at: usize) -> Option<&T::T> {
        if self.levels.as_ref().is_some_and(|levels| levels.get(at) != Some(&1)) {
            return None;
        }
        self.next_value += 1;
        self.values.get(self.next_value - 1)
    }
}
