//! The contract, kept in PostgreSQL.

use std::sync::Arc;

use gantry_storage::contract_tests;
use gantry_storage_pg::testing::TestDatabase;

contract_tests!(async {
    let database = TestDatabase::create().await;
    (Arc::new(database.storage().await), database)
});
