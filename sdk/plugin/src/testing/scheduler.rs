//! Running a scheduler plugin without a server.

use std::{collections::BTreeMap, ffi::c_void};

use gantry_abi as abi;
use jiff::Timestamp;
use serde_json::Value;

use super::FakeHost;
use crate::{
    Cx, Failure, Nodes, Pod, PreFiltered, Scheduler, Scored, Verdicts,
    scheduler::{Sid, Verdict},
};

/// What a row has in a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cell {
    Number(i64),
    Text(String),
    Numbers(Vec<i64>),
    Texts(Vec<String>),
}

/// A pod to be placed.
#[derive(Clone, Debug, Default)]
pub struct FakePod {
    /// What [`Pod::decode`] reads.
    pub object: Value,
    /// Resource and amount; CPU in millicores.
    pub requests: Vec<(String, i64)>,
}

/// What a plugin says about each node, in the order in which they were added.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judged {
    pub verdicts: Vec<Verdict>,
    /// Normalised, of all nodes; `None`: it has nothing to say.
    pub scores: Option<Vec<i64>>,
}

/// One plugin and a node table.
pub struct SchedulerHarness<S> {
    host: FakeHost,
    plugin: S,
    rows: Vec<BTreeMap<String, Cell>>,
}

/// The columns of one call, in memory that the table points to.
struct Column {
    kind: u32,
    numbers: Vec<i64>,
    sids: Vec<Sid>,
    spans: Vec<abi::Span>,
}

impl Column {
    fn raw(&self) -> abi::Col {
        let (data, n_data): (*const c_void, usize) = match self.kind {
            abi::COL_SID | abi::COL_LIST_SID => (self.sids.as_ptr().cast(), self.sids.len()),
            _ => (self.numbers.as_ptr().cast(), self.numbers.len()),
        };
        abi::Col { kind: self.kind, reserved: 0, data, spans: self.spans.as_ptr(), n_data: n_data as u64 }
    }
}

/// The type of a column, as the header lists them; 0 for a wish about the pod.
fn kind_of(column: &str) -> u32 {
    match column {
        "node.name" => abi::COL_SID,
        "node.labels" | "node.taints" | "node.images" | "extended.name" => abi::COL_LIST_SID,
        "node.images.size" | "node.ports" | "extended.allocatable" | "extended.requested" => abi::COL_LIST_I64,
        pod if pod.starts_with("pod.") => 0,
        _ => abi::COL_I64,
    }
}

impl<S: Scheduler> SchedulerHarness<S> {
    /// # Errors
    /// The plugin refuses the configuration.
    pub fn new(config: Value) -> Result<Self, String> {
        let host = FakeHost::default();
        let config = serde_json::from_value(config).map_err(|e| e.to_string())?;
        let plugin = S::new(host.host(), config)?;
        Ok(Self { host, plugin, rows: Vec::new() })
    }

    /// Adds a node. Columns that are not given are 0 or empty.
    pub fn node(&mut self, cells: &[(&str, Cell)]) {
        self.rows.push(cells.iter().map(|(column, cell)| ((*column).to_owned(), cell.clone())).collect());
    }

    /// Runs `pre_filter`, `filter`, `score` and `normalize` over all nodes.
    ///
    /// # Errors
    /// A hook failed, or `pre_filter` refused the pod.
    ///
    /// # Panics
    /// A cell is of another type than its column.
    pub fn judge(&self, pod: &FakePod) -> Result<Judged, Failure> {
        let columns: Vec<Column> = S::COLUMNS.iter().map(|column| self.column(column)).collect();
        let raw: Vec<abi::Col> = columns.iter().map(Column::raw).collect();
        let selected: Vec<u32> = (0..self.rows.len() as u32).collect();
        let table = abi::Nodes {
            size: abi::size_of_u32::<abi::Nodes>(),
            n_rows: selected.len() as u32,
            generation: 1,
            cols: raw.as_ptr(),
            n_cols: raw.len() as u64,
            sel: selected.as_ptr(),
            n_sel: selected.len() as u64,
        };
        // SAFETY: the table and what it points to stand until this function returns.
        let nodes = unsafe { Nodes::new(&table) }.expect("made just now, of full size");
        let (json, requests) = (pod.object.to_string(), self.requests(pod));
        let pod = raw_pod(&json, &requests);
        // SAFETY: as above.
        let pod = unsafe { Pod::new(&pod) }.expect("made just now, of full size");
        self.host.call(Timestamp::UNIX_EPOCH, |cx| self.hooks(cx, &pod, &nodes))
    }

    fn hooks(&self, cx: &Cx<'_>, pod: &Pod<'_>, nodes: &Nodes<'_>) -> Result<Judged, Failure> {
        let (n, mut cycle) = (self.rows.len(), S::Cycle::default());
        let (mut codes, mut reasons) = (vec![0; n], vec![0; n]);
        let mut verdicts = Verdicts::new(&mut codes, &mut reasons);
        match self.plugin.pre_filter(cx, pod, nodes, &mut cycle)? {
            PreFiltered::Skip => {}
            PreFiltered::Any => self.plugin.filter(cx, pod, nodes, &cycle, &mut verdicts)?,
            PreFiltered::Rows(only) => {
                self.plugin.filter(cx, pod, nodes, &cycle, &mut verdicts)?;
                let others = (0..n).filter(|row| !only.contains(&(*row as u32)));
                others.for_each(|row| verdicts.unresolvable(row, "not among the rows of pre_filter"));
            }
        }
        let verdicts = verdicts.into_list();
        let mut scores = vec![0; n];
        let scored = self.plugin.score(cx, pod, nodes, &cycle, &mut scores)?;
        let scores = (scored == Scored::Yes).then(|| {
            self.plugin.normalize(&mut scores);
            scores
        });
        Ok(Judged { verdicts, scores })
    }

    fn requests(&self, pod: &FakePod) -> Vec<abi::Qty> {
        let qty = |(resource, value): &(String, i64)| abi::Qty {
            resource: self.host.intern(resource),
            reserved: 0,
            value: *value,
        };
        pod.requests.iter().map(qty).collect()
    }

    fn column(&self, name: &str) -> Column {
        let mut column = Column { kind: kind_of(name), numbers: Vec::new(), sids: Vec::new(), spans: Vec::new() };
        let is_list = matches!(column.kind, abi::COL_LIST_I64 | abi::COL_LIST_SID);
        for row in &self.rows {
            let (numbers, sids) = match (column.kind, row.get(name)) {
                (abi::COL_I64, None) => (vec![0], vec![]),
                (abi::COL_SID, None) => (vec![], vec![0]),
                (_, None) => (vec![], vec![]),
                (abi::COL_I64, Some(Cell::Number(number))) => (vec![*number], vec![]),
                (abi::COL_SID, Some(Cell::Text(text))) => (vec![], vec![self.host.intern(text)]),
                (abi::COL_LIST_I64, Some(Cell::Numbers(numbers))) => (numbers.clone(), vec![]),
                (abi::COL_LIST_SID, Some(Cell::Texts(texts))) => {
                    (vec![], texts.iter().map(|text| self.host.intern(text)).collect())
                }
                (_, Some(cell)) => panic!("{name} cannot hold {cell:?}"),
            };
            if is_list {
                let start = column.numbers.len().max(column.sids.len()) as u32;
                column.spans.push(abi::Span { start, n: numbers.len().max(sids.len()) as u32 });
            }
            column.numbers.extend(numbers);
            column.sids.extend(sids);
        }
        column
    }
}

fn raw_pod(json: &str, requests: &[abi::Qty]) -> abi::Pod {
    abi::Pod {
        size: abi::size_of_u32::<abi::Pod>(),
        priority: 0,
        generation: 1,
        uid: abi::Str::of("uid"),
        ns: abi::Str::of("default"),
        name: abi::Str::of("pod"),
        scheduler_name: abi::Str::of("default-scheduler"),
        requests: requests.as_ptr(),
        n_requests: requests.len() as u64,
        nonzero_cpu: 100,
        nonzero_memory: 200 << 20,
        json: abi::Str::of(json),
    }
}
