//! Nodes that have the pod's images already are better, the more the larger and the more common the images are.

use gantry_plugin::{Cx, Failure, Hooks, Nodes, Pod, Scheduler, Scored, Sid};
use serde::Deserialize;

use crate::plugin;

pub(crate) struct ImageLocality;

plugin!(ImageLocality = "ImageLocality");

const NAMES: usize = 0;
const SIZES: usize = 1;
/// Less than this is quickly pulled.
const LEAST_BYTES: i64 = 23 << 20;
/// More than this per container makes no more difference.
const MOST_BYTES: i64 = 1000 << 20;

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    containers: Vec<Container>,
    #[serde(default)]
    init_containers: Option<Vec<Container>>,
}

#[derive(Deserialize)]
struct Container {
    #[serde(default)]
    image: String,
}

/// As nodes report images: with a tag or a digest.
fn with_tag(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

impl Scheduler for ImageLocality {
    type Cycle = ();
    const COLUMNS: &'static [&'static str] = &["node.images", "node.images.size", "pod.json"];
    const HOOKS: Hooks = Hooks::SCORE;

    fn score(
        &self,
        cx: &Cx<'_>,
        pod: &Pod<'_>,
        nodes: &Nodes<'_>,
        (): &(),
        scores: &mut [i64],
    ) -> Result<Scored, Failure> {
        let spec = pod.decode::<Object>()?.spec;
        let containers: Vec<Container> =
            spec.containers.into_iter().chain(spec.init_containers.into_iter().flatten()).collect();
        let images: Vec<Sid> = containers.iter().filter_map(|c| cx.find(&with_tag(&c.image))).collect();
        if images.is_empty() {
            return Ok(Scored::Skip);
        }
        let (names, sizes) = (nodes.sid_lists(NAMES), nodes.i64_lists(SIZES));
        let spread = |image: &Sid| (0..nodes.rows()).filter(|row| names.row(*row).contains(image)).count();
        let spreads: Vec<(Sid, f64)> =
            images.iter().map(|image| (*image, spread(image) as f64 / f64::from(nodes.rows()))).collect();
        for (score, row) in scores.iter_mut().zip(nodes.selected()) {
            let size = |(image, spread): &(Sid, f64)| {
                let at = names.row(*row).iter().position(|name| name == image)?;
                Some((sizes.row(*row)[at] as f64 * spread) as i64)
            };
            *score = rate(spreads.iter().filter_map(size).sum(), containers.len() as i64);
        }
        Ok(Scored::Yes)
    }
}

fn rate(bytes: i64, containers: i64) -> i64 {
    let most = MOST_BYTES * containers;
    100 * (bytes.clamp(LEAST_BYTES, most) - LEAST_BYTES) / (most - LEAST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{rate, with_tag};

    #[test]
    fn an_image_without_a_tag_means_latest() {
        assert_eq!(with_tag("web"), "web:latest");
        assert_eq!(with_tag("host:5000/web"), "host:5000/web:latest");
        assert_eq!(with_tag("web:1"), "web:1");
        assert_eq!(with_tag("web@sha256:0"), "web@sha256:0");
    }

    #[test]
    fn ratings_lie_between_the_thresholds() {
        assert_eq!(rate(1 << 20, 1), 0);
        assert_eq!(rate(5000 << 20, 1), 100);
        assert!((48..=52).contains(&rate(511 << 20, 1)));
    }
}
