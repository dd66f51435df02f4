//! The class that serves those that name none.

use gantry_meta::{ObjectView, Status, Value};

use crate::ClusterView;

/// The name of the class marked by `annotation`: of several the newest, then the first by name. `classes` is group and plural.
pub(super) async fn default_class(
    view: &dyn ClusterView,
    classes: (&str, &str),
    annotation: &str,
) -> Result<Option<String>, Status> {
    let mut found = view.list(classes.0, classes.1, "").await?;
    found.retain(|c| c.annotations().and_then(|a| a.get(annotation)).and_then(Value::as_str) == Some("true"));
    found.sort_by(|a, b| {
        let newer = b.meta_str("creationTimestamp").cmp(a.meta_str("creationTimestamp"));
        newer.then_with(|| a.name().cmp(b.name()))
    });
    Ok(found.first().map(|class| class.name().to_owned()))
}
