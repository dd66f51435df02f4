//! The contract, kept in memory.

use std::sync::Arc;

use gantry_storage::{MemoryStorage, contract_tests};

contract_tests!(async { (Arc::new(MemoryStorage::new()), ()) });
