//! Recorded cases: requests and the answers that clients of the reference know, replayed against a server of ours.
//!
//! `tests/corpus/FOLDER/CASE.json` holds one case each; what differs from run to run (uids, versions, times) stands in it as
//! what it is: `<uid:1>`, `<rv:2>`, `<time>`. Texts of messages are not compared. `tests/corpus/known.tsv` lists the cases that
//! fail, with the reason.

mod case;
mod compare;
mod known;
mod names;
mod pointer;
mod replay;
mod wire;

pub use case::{Case, cases};
pub use known::Known;
pub use replay::replay;
pub use wire::Server;
