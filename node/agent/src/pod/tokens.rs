//! Service-account tokens for projected volumes: requested for the pod, renewed before they expire.

use bytes::Bytes;
use gantry_meta::GroupVersionResource;
use gantry_runtime::{ObjectSink, SinkError, WriteTarget};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ServiceAccountTokenProjection;
use serde_json::{Value, json};

use super::{desired::DesiredPod, volumes::Tokens};

/// A token is renewed after this part of its life, at the latest after a day.
const RENEW_AFTER_PERCENT: i64 = 80;
const MAX_AGE: SignedDuration = SignedDuration::from_hours(24);

/// The tokens of one pod.
#[derive(Debug, Default)]
pub struct PodTokens {
    pub tokens: Tokens,
    renew_at: Option<Timestamp>,
}

/// All token projections of a pod with the volume they are in.
fn projections(pod: &DesiredPod) -> impl Iterator<Item = (&str, &ServiceAccountTokenProjection)> {
    let volumes = pod.spec().volumes.iter().flatten();
    volumes.flat_map(|volume| {
        let sources = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
        sources.filter_map(|source| source.service_account_token.as_ref()).map(|token| (volume.name.as_str(), token))
    })
}

impl PodTokens {
    /// When the next token must be renewed.
    pub fn renew_at(&self) -> Option<Timestamp> {
        self.renew_at
    }

    pub fn are_fresh(&self, now: Timestamp) -> bool {
        self.renew_at.is_some_and(|at| at > now)
    }

    /// Requests all tokens of a pod; does nothing for a pod without any.
    pub async fn request(sink: &dyn ObjectSink, pod: &DesiredPod) -> Result<Self, SinkError> {
        let requests = projections(pod).map(|(volume, projection)| async move {
            let (token, renew_at) = request_one(sink, pod, projection).await?;
            Ok::<_, SinkError>(((volume.to_owned(), projection.path.clone()), token, renew_at))
        });
        let mut made = Self::default();
        for (key, token, renew_at) in futures::future::try_join_all(requests).await? {
            made.tokens.insert(key, token);
            made.renew_at = Some(made.renew_at.map_or(renew_at, |at| at.min(renew_at)));
        }
        Ok(made)
    }
}

async fn request_one(
    sink: &dyn ObjectSink,
    pod: &DesiredPod,
    projection: &ServiceAccountTokenProjection,
) -> Result<(String, Timestamp), SinkError> {
    let accounts = GroupVersionResource::new("", "v1", "serviceaccounts");
    let target = WriteTarget::new(&accounts, pod.namespace(), pod.service_account()).subresource("token");
    let audiences: Vec<&str> = projection.audience.as_deref().filter(|a| !a.is_empty()).into_iter().collect();
    let body = json!({
        "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
        "spec": {
            "audiences": audiences,
            "expirationSeconds": projection.expiration_seconds.unwrap_or(3600),
            "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod.name(), "uid": pod.uid()},
        },
    });
    let answer = sink.create(&target, Bytes::from(body.to_string())).await?;
    let answer: Value = serde_json::from_slice(&answer.json).unwrap_or_default();
    let token = answer["status"]["token"].as_str().filter(|token| !token.is_empty());
    let token = token.ok_or_else(|| SinkError::Unavailable("the answer to a token request has no token".into()))?;
    let expires = answer["status"]["expirationTimestamp"].as_str().and_then(gantry_meta::time::parse_time);
    Ok((token.to_owned(), renewal(Timestamp::now(), expires)))
}

fn renewal(now: Timestamp, expires: Option<Timestamp>) -> Timestamp {
    let life = expires.map_or(SignedDuration::from_hours(1), |at| at.duration_since(now));
    let age = SignedDuration::from_secs(life.as_secs().max(0) * RENEW_AFTER_PERCENT / 100).min(MAX_AGE);
    now.saturating_add(age).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_renewed_at_four_fifths_of_its_life_or_after_a_day() {
        let now = Timestamp::from_second(1_000_000).expect("in range");
        let after = |seconds: i64| Timestamp::from_second(1_000_000 + seconds).expect("in range");
        assert_eq!(renewal(now, Some(after(3600))), after(2880));
        assert_eq!(renewal(now, Some(after(1_000_000))), after(86_400));
    }
}
