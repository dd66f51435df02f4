//! Reads the tab-separated tables: comment lines start with `#`, the next line names the columns.

use std::{collections::HashMap, fs, path::Path};

/// One line of a table, by column name.
pub struct Row {
    columns: std::rc::Rc<HashMap<String, usize>>,
    cells: Vec<String>,
}

impl Row {
    /// The cell of a column; cells that a line leaves out at its end are empty.
    pub fn get(&self, column: &str) -> &str {
        let at = *self.columns.get(column).unwrap_or_else(|| panic!("no column {column}"));
        self.cells.get(at).map_or("", String::as_str)
    }

    /// A cell that lists values, comma separated.
    pub fn list(&self, column: &str) -> Vec<&str> {
        self.get(column).split(',').filter(|s| !s.is_empty()).collect()
    }

    pub fn is_true(&self, column: &str) -> bool {
        self.get(column) == "true"
    }
}

/// The rows of `facts/NAME.tsv`, then those of our own groups in `facts/gantry/NAME.tsv`.
pub fn table(facts: &Path, name: &str) -> Vec<Row> {
    let file = format!("{name}.tsv");
    let mut rows = read(&facts.join(&file));
    let ours = facts.join("gantry").join(&file);
    if ours.exists() {
        rows.extend(read(&ours));
    }
    rows
}

fn read(path: &Path) -> Vec<Row> {
    let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut lines = text.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    let header = lines.next().unwrap_or_else(|| panic!("{}: no column names", path.display()));
    let columns = std::rc::Rc::new(header.split('\t').enumerate().map(|(i, c)| (c.to_owned(), i)).collect());
    lines
        .map(|line| Row { columns: std::rc::Rc::clone(&columns), cells: line.split('\t').map(str::to_owned).collect() })
        .collect()
}
