//! The node table: one array per column, a row per node, changed in place.

use gantry_abi as abi;
use gantry_plugin_host::{NodeColumns, Texts, load::COLUMNS};
use hashbrown::HashMap;

use crate::facts::{HostPort, NodeFacts};

/// Texts of the table, as numbers. 0 is the empty text.
#[derive(Clone)]
pub(crate) struct Interner {
    texts: Vec<Box<str>>,
    sids: HashMap<Box<str>, abi::Sid>,
}

impl Default for Interner {
    fn default() -> Self {
        Self { texts: vec!["".into()], sids: HashMap::from_iter([("".into(), 0)]) }
    }
}

impl Interner {
    pub(crate) fn intern(&mut self, text: &str) -> abi::Sid {
        if let Some(sid) = self.sids.get(text) {
            return *sid;
        }
        let sid = self.texts.len() as abi::Sid;
        self.texts.push(text.into());
        self.sids.insert(text.into(), sid);
        sid
    }
}

impl Texts for Interner {
    fn text(&self, sid: abi::Sid) -> &str {
        self.texts.get(sid as usize).map_or("", |text| text)
    }

    fn find(&self, text: &str) -> abi::Sid {
        self.sids.get(text).copied().unwrap_or(0)
    }
}

/// A column of lists. A row's list is replaced in place if it has the same length, else put at the end.
#[derive(Clone, Default)]
struct ListColumn<T> {
    data: Vec<T>,
    spans: Vec<abi::Span>,
    garbage: usize,
}

/// Gaps below this are not worth a copy.
const GARBAGE_MIN: usize = 4096;

impl<T: Copy> ListColumn<T> {
    fn push_row(&mut self) {
        self.spans.push(abi::Span::default());
    }

    fn swap_remove_row(&mut self, row: usize) {
        self.garbage += self.spans.swap_remove(row).n as usize;
        self.compact();
    }

    fn set(&mut self, row: usize, items: &[T]) {
        let span = self.spans[row];
        if span.n as usize == items.len() {
            self.data[span.start as usize..][..items.len()].copy_from_slice(items);
            return;
        }
        self.garbage += span.n as usize;
        self.spans[row] = abi::Span { start: self.data.len() as u32, n: items.len() as u32 };
        self.data.extend_from_slice(items);
        self.compact();
    }

    fn compact(&mut self) {
        if self.garbage < GARBAGE_MIN.max(self.data.len() / 2) {
            return;
        }
        let mut data = Vec::with_capacity(self.data.len() - self.garbage);
        for span in &mut self.spans {
            let start = data.len() as u32;
            data.extend_from_slice(&self.data[span.start as usize..][..span.n as usize]);
            span.start = start;
        }
        (self.data, self.garbage) = (data, 0);
    }

    fn raw(&self, kind: u32) -> abi::Col {
        abi::Col {
            kind,
            reserved: 0,
            data: self.data.as_ptr().cast(),
            spans: self.spans.as_ptr(),
            n_data: self.data.len() as u64,
        }
    }
}

/// What the pods on a node use.
#[derive(Clone, Default, PartialEq, Debug)]
pub(crate) struct Usage {
    pub(crate) amounts: crate::requests::Amounts,
    pub(crate) pods: i64,
    pub(crate) nonzero_cpu: i64,
    pub(crate) nonzero_memory: i64,
    pub(crate) ports: Vec<HostPort>,
}

/// The columns. Their names are those of the plugin header.
#[derive(Clone, Default)]
struct Columns {
    name: Vec<abi::Sid>,
    unschedulable: Vec<i64>,
    labels: ListColumn<abi::Sid>,
    taints: ListColumn<abi::Sid>,
    images: ListColumn<abi::Sid>,
    image_sizes: ListColumn<i64>,
    ports: ListColumn<i64>,
    /// cpu, memory, ephemeral-storage, pods
    allocatable: [Vec<i64>; 4],
    requested: [Vec<i64>; 4],
    nonzero_cpu: Vec<i64>,
    nonzero_memory: Vec<i64>,
    extended_names: ListColumn<abi::Sid>,
    extended_allocatable: ListColumn<i64>,
    extended_requested: ListColumn<i64>,
}

const CORE: [&str; 4] = ["cpu", "memory", "ephemeral-storage", "pods"];

#[derive(Clone, Default)]
pub(crate) struct NodeTable {
    pub(crate) texts: Interner,
    columns: Columns,
    rows: HashMap<String, u32>,
    names: Vec<String>,
    generation: u64,
}

impl NodeTable {
    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }

    pub(crate) fn name(&self, row: u32) -> &str {
        &self.names[row as usize]
    }

    /// Adds a node, or changes what its object says.
    pub(crate) fn put(&mut self, node: &NodeFacts, usage: &Usage) {
        let row = match self.rows.get(&node.name) {
            Some(row) => *row as usize,
            None => self.push_row(&node.name),
        };
        let texts = &mut self.texts;
        let mut sids = |items: &mut dyn Iterator<Item = &str>| items.map(|text| texts.intern(text)).collect::<Vec<_>>();
        let columns = &mut self.columns;
        columns.unschedulable[row] = i64::from(node.unschedulable);
        columns.labels.set(row, &sids(&mut node.labels.iter().flat_map(|(k, v)| [k.as_str(), v.as_str()])));
        columns
            .taints
            .set(row, &sids(&mut node.taints.iter().flat_map(|(k, v, e)| [k.as_str(), v.as_str(), e.as_str()])));
        columns.images.set(row, &sids(&mut node.images.iter().map(|(name, _)| name.as_str())));
        columns.image_sizes.set(row, &node.images.iter().map(|(_, size)| *size).collect::<Vec<_>>());
        for (column, resource) in columns.allocatable.iter_mut().zip(CORE) {
            column[row] = node.allocatable.get(resource).copied().unwrap_or_default();
        }
        self.use_row(row, node, usage);
    }

    /// Changes what the pods of a node use. Nothing happens if there is no such node.
    pub(crate) fn set_usage(&mut self, node: &NodeFacts, usage: &Usage) {
        if let Some(row) = self.rows.get(&node.name) {
            self.use_row(*row as usize, node, usage);
        }
    }

    fn use_row(&mut self, row: usize, node: &NodeFacts, usage: &Usage) {
        let columns = &mut self.columns;
        for (column, resource) in columns.requested.iter_mut().zip(CORE) {
            let amount = if resource == "pods" { Some(&usage.pods) } else { usage.amounts.get(resource) };
            column[row] = amount.copied().unwrap_or_default();
        }
        columns.nonzero_cpu[row] = usage.nonzero_cpu;
        columns.nonzero_memory[row] = usage.nonzero_memory;
        let ports = usage.ports.iter().flat_map(|port| {
            [i64::from(self.texts.intern(&port.ip)), i64::from(self.texts.intern(&port.protocol)), port.port]
        });
        columns.ports.set(row, &ports.collect::<Vec<_>>());
        let extended: Vec<(&String, &i64)> =
            node.allocatable.iter().filter(|(name, _)| !CORE.contains(&name.as_str())).collect();
        let names: Vec<abi::Sid> = extended.iter().map(|(name, _)| self.texts.intern(name)).collect();
        let used = |name: &&String| usage.amounts.get(*name).copied().unwrap_or_default();
        columns.extended_names.set(row, &names);
        columns.extended_allocatable.set(row, &extended.iter().map(|(_, amount)| **amount).collect::<Vec<_>>());
        columns.extended_requested.set(row, &extended.iter().map(|(name, _)| used(name)).collect::<Vec<_>>());
        self.generation += 1;
    }

    pub(crate) fn remove(&mut self, name: &str) {
        let Some(row) = self.rows.remove(name) else { return };
        self.names.swap_remove(row as usize);
        // The last row has moved here.
        if let Some(moved) = self.names.get(row as usize) {
            self.rows.insert(moved.clone(), row);
        }
        self.columns.swap_remove_row(row as usize);
        self.generation += 1;
    }

    fn push_row(&mut self, name: &str) -> usize {
        let row = self.names.len();
        self.names.push(name.to_owned());
        self.rows.insert(name.to_owned(), row as u32);
        let sid = self.texts.intern(name);
        self.columns.push_row(sid);
        row
    }
}

impl Columns {
    fn push_row(&mut self, name: abi::Sid) {
        self.name.push(name);
        let scalars = [&mut self.unschedulable, &mut self.nonzero_cpu, &mut self.nonzero_memory];
        let all = scalars.into_iter().chain(&mut self.allocatable).chain(&mut self.requested);
        all.for_each(|column| column.push(0));
        self.sid_lists().into_iter().for_each(ListColumn::push_row);
        self.number_lists().into_iter().for_each(ListColumn::push_row);
    }

    fn sid_lists(&mut self) -> [&mut ListColumn<abi::Sid>; 4] {
        [&mut self.labels, &mut self.taints, &mut self.images, &mut self.extended_names]
    }

    fn number_lists(&mut self) -> [&mut ListColumn<i64>; 4] {
        [&mut self.image_sizes, &mut self.ports, &mut self.extended_allocatable, &mut self.extended_requested]
    }

    fn swap_remove_row(&mut self, row: usize) {
        self.name.swap_remove(row);
        let scalars = [&mut self.unschedulable, &mut self.nonzero_cpu, &mut self.nonzero_memory];
        let all = scalars.into_iter().chain(&mut self.allocatable).chain(&mut self.requested);
        for column in all {
            column.swap_remove(row);
        }
        self.sid_lists().into_iter().for_each(|column| column.swap_remove_row(row));
        self.number_lists().into_iter().for_each(|column| column.swap_remove_row(row));
    }

    fn raw(&self, name: &str) -> abi::Col {
        let scalar = |kind: u32, data: *const std::ffi::c_void| abi::Col {
            kind,
            reserved: 0,
            data,
            spans: std::ptr::null(),
            n_data: self.name.len() as u64,
        };
        let numbers = |column: &Vec<i64>| scalar(abi::COL_I64, column.as_ptr().cast());
        let of_core = |columns: &[Vec<i64>; 4], resource: &str| {
            let index = CORE.iter().position(|known| *known == resource).expect("the header's columns name these four");
            numbers(&columns[index])
        };
        match name {
            "node.name" => scalar(abi::COL_SID, self.name.as_ptr().cast()),
            "node.unschedulable" => numbers(&self.unschedulable),
            "node.labels" => self.labels.raw(abi::COL_LIST_SID),
            "node.taints" => self.taints.raw(abi::COL_LIST_SID),
            "node.images" => self.images.raw(abi::COL_LIST_SID),
            "node.images.size" => self.image_sizes.raw(abi::COL_LIST_I64),
            "node.ports" => self.ports.raw(abi::COL_LIST_I64),
            "nonzero.cpu" => numbers(&self.nonzero_cpu),
            "nonzero.memory" => numbers(&self.nonzero_memory),
            "extended.name" => self.extended_names.raw(abi::COL_LIST_SID),
            "extended.allocatable" => self.extended_allocatable.raw(abi::COL_LIST_I64),
            "extended.requested" => self.extended_requested.raw(abi::COL_LIST_I64),
            other => match other.split_once('.') {
                Some(("allocatable", resource)) => of_core(&self.allocatable, resource),
                Some(("requested", resource)) => of_core(&self.requested, resource),
                _ => unreachable!("the loader refuses unknown columns"),
            },
        }
    }
}

impl NodeColumns for NodeTable {
    fn rows(&self) -> u32 {
        self.names.len() as u32
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn column(&self, index: usize) -> abi::Col {
        self.columns.raw(COLUMNS[index].0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, label: &str) -> NodeFacts {
        NodeFacts {
            name: name.into(),
            labels: [("zone".to_owned(), label.to_owned())].into(),
            allocatable: [("cpu".to_owned(), 1000), ("example.com/gpu".to_owned(), 2)].into(),
            ..NodeFacts::default()
        }
    }

    fn zone(table: &NodeTable, row: usize) -> String {
        let column = &table.columns.labels;
        let span = column.spans[row];
        table.texts.text(column.data[span.start as usize + 1]).to_owned()
    }

    #[test]
    fn every_column_that_plugins_may_declare_is_there() {
        let mut table = NodeTable::default();
        table.put(&node("a", "x"), &Usage::default());
        for (index, (name, kind)) in COLUMNS.iter().enumerate().filter(|(_, (_, kind))| *kind != 0) {
            assert_eq!(table.column(index).kind, *kind, "{name}");
        }
    }

    #[test]
    fn rows_stay_right_as_nodes_come_and_go() {
        let mut table = NodeTable::default();
        for (name, label) in [("a", "x"), ("b", "y"), ("c", "z")] {
            table.put(&node(name, label), &Usage::default());
        }
        table.remove("a");
        assert_eq!((table.len(), table.name(0), table.name(1)), (2, "c", "b"));
        assert_eq!((zone(&table, 0), zone(&table, 1)), ("z".into(), "y".into()));
        table.put(&node("c", "w"), &Usage::default());
        assert_eq!(zone(&table, 0), "w");
    }

    #[test]
    fn lists_are_compacted_when_half_of_them_is_garbage() {
        let mut column = ListColumn::<i64>::default();
        column.push_row();
        column.push_row();
        column.set(1, &[7, 8]);
        for n in 0..200 {
            column.set(0, &vec![n; 50 + n as usize % 2]);
        }
        assert!(column.data.len() < 3 * GARBAGE_MIN, "{}", column.data.len());
        let span = column.spans[1];
        assert_eq!(column.data[span.start as usize..][..2], [7, 8]);
    }
}
