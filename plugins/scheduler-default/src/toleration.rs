//! Which taints a pod bears. Source: API reference, "Taints and Tolerations".

use gantry_plugin::{Cx, Failure, Pod, Sid};
use serde::Deserialize;

#[derive(Clone, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Toleration {
    key: String,
    operator: String,
    value: String,
    effect: String,
}

#[derive(Deserialize)]
struct Object {
    spec: Spec,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    tolerations: Option<Vec<Toleration>>,
}

pub(crate) fn tolerations(pod: &Pod<'_>) -> Result<Vec<Toleration>, Failure> {
    Ok(pod.decode::<Object>()?.spec.tolerations.unwrap_or_default())
}

/// A taint as the node table has it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Taint {
    pub(crate) key: Sid,
    pub(crate) value: Sid,
    pub(crate) effect: Sid,
}

/// The taints of one row.
pub(crate) fn taints(row: &[Sid]) -> impl Iterator<Item = Taint> + '_ {
    row.chunks_exact(3).map(|taint| Taint { key: taint[0], value: taint[1], effect: taint[2] })
}

impl Toleration {
    pub(crate) fn bears(&self, key: &str, value: &str, effect: &str) -> bool {
        let same_value = || match &*self.operator {
            "Exists" => true,
            "" | "Equal" => self.value == value,
            "Gt" | "Lt" => match (value.parse::<i64>(), self.value.parse::<i64>()) {
                (Ok(taint), Ok(bound)) => (taint > bound) == (self.operator == "Gt") && taint != bound,
                _ => false,
            },
            _ => false,
        };
        (self.effect.is_empty() || self.effect == effect) && (self.key.is_empty() || self.key == key) && same_value()
    }

    pub(crate) fn is_for(&self, effect: &str) -> bool {
        self.effect.is_empty() || self.effect == effect
    }
}

pub(crate) fn bears(cx: &Cx<'_>, tolerations: &[Toleration], taint: Taint) -> bool {
    let [key, value, effect] = [taint.key, taint.value, taint.effect].map(|sid| cx.text(sid));
    tolerations.iter().any(|toleration| toleration.bears(key, value, effect))
}

#[cfg(test)]
mod tests {
    use super::Toleration;

    fn toleration(key: &str, operator: &str, value: &str, effect: &str) -> Toleration {
        Toleration { key: key.into(), operator: operator.into(), value: value.into(), effect: effect.into() }
    }

    #[test]
    fn a_toleration_bears_what_its_operator_says() {
        assert!(toleration("k", "", "v", "").bears("k", "v", "NoSchedule"));
        assert!(!toleration("k", "Equal", "v", "").bears("k", "w", "NoSchedule"));
        assert!(toleration("k", "Exists", "", "NoSchedule").bears("k", "w", "NoSchedule"));
        assert!(!toleration("k", "Exists", "", "NoExecute").bears("k", "w", "NoSchedule"));
        assert!(toleration("", "Exists", "", "").bears("any", "thing", "NoExecute"));
        assert!(toleration("k", "Gt", "5", "").bears("k", "6", "NoSchedule"));
        assert!(!toleration("k", "Gt", "5", "").bears("k", "5", "NoSchedule"));
        assert!(toleration("k", "Lt", "5", "").bears("k", "4", "NoSchedule"));
        assert!(!toleration("k", "Lt", "5", "").bears("k", "x", "NoSchedule"));
    }
}
