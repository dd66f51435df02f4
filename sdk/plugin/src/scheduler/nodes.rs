//! The node table.

use gantry_abi as abi;

use super::Sid;

/// The table's columns that the plugin declared, and the rows to look at.
#[derive(Clone, Copy)]
pub struct Nodes<'a> {
    raw: &'a abi::Nodes,
    columns: &'a [abi::Col],
    selected: &'a [u32],
}

/// A column whose rows are lists.
#[derive(Clone, Copy)]
pub struct List<'a, T> {
    data: &'a [T],
    spans: &'a [abi::Span],
}

impl<'a, T> List<'a, T> {
    /// The list of one row.
    ///
    /// # Panics
    /// There is no such row.
    pub fn row(&self, row: u32) -> &'a [T] {
        let span = self.spans[row as usize];
        &self.data[span.start as usize..(span.start + span.n) as usize]
    }
}

impl<'a> Nodes<'a> {
    /// `None`: the host's structs are too small.
    ///
    /// # Safety
    /// `raw` is null or the host's table, which lives for `'a`.
    pub(crate) unsafe fn new(raw: *const abi::Nodes) -> Option<Self> {
        // SAFETY: promised by the caller.
        unsafe {
            let raw = raw.as_ref().filter(|raw| raw.size >= abi::size_of_u32::<abi::Nodes>())?;
            Some(Self { raw, columns: slice(raw.cols, raw.n_cols), selected: slice(raw.sel, raw.n_sel) })
        }
    }

    /// Rows of the table, looked at or not.
    pub fn rows(&self) -> u32 {
        self.raw.n_rows
    }

    /// Grows with each change of the table.
    pub fn generation(&self) -> u64 {
        self.raw.generation
    }

    /// The candidates, and the order of everything that is told per node.
    pub fn selected(&self) -> &'a [u32] {
        self.selected
    }

    /// # Panics
    /// The column, by its index among those declared, holds something else.
    pub fn i64s(&self, column: usize) -> &'a [i64] {
        let column = self.column(column, abi::COL_I64);
        // SAFETY: the header: a scalar column has n_rows elements.
        unsafe { slice(column.data.cast(), u64::from(self.raw.n_rows)) }
    }

    /// # Panics
    /// As [`Nodes::i64s`].
    pub fn sids(&self, column: usize) -> &'a [Sid] {
        let column = self.column(column, abi::COL_SID);
        // SAFETY: as above.
        unsafe { slice(column.data.cast(), u64::from(self.raw.n_rows)) }
    }

    /// # Panics
    /// As [`Nodes::i64s`].
    pub fn i64_lists(&self, column: usize) -> List<'a, i64> {
        self.list(column, abi::COL_LIST_I64)
    }

    /// # Panics
    /// As [`Nodes::i64s`].
    pub fn sid_lists(&self, column: usize) -> List<'a, Sid> {
        self.list(column, abi::COL_LIST_SID)
    }

    fn list<T>(&self, column: usize, kind: u32) -> List<'a, T> {
        let column = self.column(column, kind);
        // SAFETY: the header: n_data elements, n_rows spans.
        unsafe {
            List {
                data: slice(column.data.cast(), column.n_data),
                spans: slice(column.spans, u64::from(self.raw.n_rows)),
            }
        }
    }

    fn column(&self, column: usize, kind: u32) -> &'a abi::Col {
        let found = &self.columns[column];
        assert_eq!(found.kind, kind, "column {column} is of another type");
        found
    }
}

/// # Safety
/// `first` points to `n` values that live for `'a`, or `n` is 0.
unsafe fn slice<'a, T>(first: *const T, n: u64) -> &'a [T] {
    if n == 0 || first.is_null() {
        return &[];
    }
    // SAFETY: promised by the caller.
    unsafe { std::slice::from_raw_parts(first, n as usize) }
}
