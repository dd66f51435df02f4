//! Gets a container's image onto the node, by its pull policy.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use gantry_cri::{ImageClient, api};
use jiff::SignedDuration;
use k8s_openapi::api::core::v1::Container;
use parking_lot::Mutex;

use crate::{
    events::{EventRecorder, Subject},
    pod::{backoff::shown, desired::DesiredPod, status::Waiting},
    pull_secrets,
    references::ReferencedObjects,
};

const FIRST_WAIT: Duration = Duration::from_secs(10);
const MAX_WAIT: Duration = Duration::from_secs(300);

/// Why a container waits for its image, and when to try again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ImageError {
    pub waiting: Waiting,
    pub retry_after: Duration,
}

#[derive(Clone)]
struct Failure {
    wait: Duration,
    until: Instant,
    message: String,
}

/// A pod's uid and the image as it names it: what one pod may not pull, another's secret may open.
type Wanted = (String, String);

/// Pulls images and remembers which ones failed.
pub struct ImagePuller {
    images: ImageClient,
    events: EventRecorder,
    failures: Mutex<HashMap<Wanted, Failure>>,
}

impl ImagePuller {
    pub fn new(images: ImageClient, events: EventRecorder) -> Self {
        Self { images, events, failures: Mutex::default() }
    }

    /// The image of a container, pulled if its policy asks for it. Announces what happens as events.
    pub async fn ensure(
        &self,
        pod: &DesiredPod,
        container: &Container,
        references: &dyn ReferencedObjects,
        sandbox: &api::PodSandboxConfig,
    ) -> Result<api::Image, ImageError> {
        let subject = Subject::container(pod, &container.name);
        let wanted = container.image.as_deref().unwrap_or_default();
        let Some(reference) = with_default_tag(wanted) else {
            return Err(self.invalid(subject, wanted));
        };
        let policy = container.image_pull_policy.as_deref().unwrap_or("IfNotPresent");
        if policy != "Always"
            && let Some(image) = self.present(&reference).await?
        {
            let message = format!("Container image {wanted:?} already present on machine");
            self.events.normal(subject, "Pulled", message);
            return Ok(image);
        }
        if policy == "Never" {
            let message = format!("Container image {wanted:?} is not present with pull policy of Never");
            self.events.warning(subject, "ErrImageNeverPull", message.clone());
            return Err(failure("ErrImageNeverPull", message, MAX_WAIT));
        }
        self.hold_back(pod, &subject, wanted)?;
        self.pull(pod, &subject, wanted, &reference, references, sandbox).await
    }

    async fn present(&self, reference: &str) -> Result<Option<api::Image>, ImageError> {
        let found = self.images.image_status(reference).await;
        found.map_err(|error| failure("ImageInspectError", error.to_string(), FIRST_WAIT))
    }

    fn invalid(&self, subject: Subject, wanted: &str) -> ImageError {
        let message = format!(
            "Failed to apply default image tag {wanted:?}: couldn't parse image name {wanted:?}: invalid reference format"
        );
        self.events.warning(subject, "InspectFailed", message.clone());
        failure("InvalidImageName", message, MAX_WAIT)
    }

    /// An image that just failed is not asked for again before its back-off is over.
    fn hold_back(&self, pod: &DesiredPod, subject: &Subject, wanted: &str) -> Result<(), ImageError> {
        let Some(held) = self.failures.lock().get(&key(pod, wanted)).cloned() else { return Ok(()) };
        let Some(remaining) = held.until.checked_duration_since(Instant::now()) else { return Ok(()) };
        let message = format!("Back-off pulling image {wanted:?}");
        self.events.normal(subject.clone(), "BackOff", message.clone());
        self.events.warning(subject.clone(), "Failed", "Error: ImagePullBackOff");
        let message = format!("{message}: ErrImagePull: {}", held.message);
        Err(failure("ImagePullBackOff", message, remaining))
    }

    async fn pull(
        &self,
        pod: &DesiredPod,
        subject: &Subject,
        wanted: &str,
        reference: &str,
        references: &dyn ReferencedObjects,
        sandbox: &api::PodSandboxConfig,
    ) -> Result<api::Image, ImageError> {
        self.events.normal(subject.clone(), "Pulling", format!("Pulling image {wanted:?}"));
        let started = Instant::now();
        let pulled = self.pull_with_secrets(pod, reference, references, sandbox).await;
        let image = match pulled {
            Ok(()) => self.present(reference).await?,
            Err(message) => return Err(self.failed(pod, subject, wanted, message)),
        };
        let Some(image) = image else {
            return Err(self.failed(pod, subject, wanted, "it is not there after its pull".into()));
        };
        self.failures.lock().remove(&key(pod, wanted));
        let took = shown_precisely(started.elapsed());
        let size = image.size;
        let message = format!(
            "Successfully pulled image {wanted:?} in {took} ({took} including waiting). Image size: {size} bytes."
        );
        self.events.normal(subject.clone(), "Pulled", message);
        Ok(image)
    }

    /// Tries every credential that fits, then none.
    async fn pull_with_secrets(
        &self,
        pod: &DesiredPod,
        reference: &str,
        references: &dyn ReferencedObjects,
        sandbox: &api::PodSandboxConfig,
    ) -> Result<(), String> {
        let credentials = pull_secrets::credentials(pod, references, reference);
        let attempts = if credentials.is_empty() { vec![None] } else { credentials.into_iter().map(Some).collect() };
        let mut last = String::new();
        for auth in attempts {
            match self.images.pull_image(reference, auth, Some(sandbox.clone())).await {
                Ok(_) => return Ok(()),
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }

    fn failed(&self, pod: &DesiredPod, subject: &Subject, wanted: &str, message: String) -> ImageError {
        let wait = self.remember(key(pod, wanted), &message);
        self.events.warning(subject.clone(), "Failed", format!("Failed to pull image {wanted:?}: {message}"));
        self.events.warning(subject.clone(), "Failed", "Error: ErrImagePull");
        // Soon after, the status turns to ImagePullBackOff; the next try comes when that is over.
        failure("ErrImagePull", message, wait.min(Duration::from_secs(2)))
    }

    /// Returns how long to wait. What nobody has asked for since long, because its pod is gone, is forgotten.
    fn remember(&self, key: Wanted, message: &str) -> Duration {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        failures.retain(|_, f| now.saturating_duration_since(f.until) < MAX_WAIT);
        let wait = failures.get(&key).map_or(FIRST_WAIT, |f| (f.wait * 2).min(MAX_WAIT));
        failures.insert(key, Failure { wait, until: now + wait, message: message.to_owned() });
        wait
    }
}

fn key(pod: &DesiredPod, wanted: &str) -> Wanted {
    (pod.uid().to_owned(), wanted.to_owned())
}

fn failure(reason: &'static str, message: String, retry_after: Duration) -> ImageError {
    ImageError { waiting: Waiting { reason, message }, retry_after }
}

fn shown_precisely(duration: Duration) -> String {
    if duration < Duration::from_secs(1) {
        return format!("{}ms", duration.as_millis());
    }
    if duration < Duration::from_secs(60) {
        return format!("{:.3}s", duration.as_secs_f64());
    }
    shown(SignedDuration::try_from(duration).unwrap_or_default())
}

/// `name`, with `:latest` if it has neither tag nor digest. `None` for what is no image reference.
fn with_default_tag(name: &str) -> Option<String> {
    let (rest, digest) = name.split_once('@').map_or((name, None), |(rest, digest)| (rest, Some(digest)));
    let last = rest.rsplit('/').next().unwrap_or(rest);
    let (repository, tag) = match last.split_once(':') {
        Some((_, tag)) => (&rest[..rest.len() - tag.len() - 1], Some(tag)),
        None => (rest, None),
    };
    let tag_fits = tag.is_none_or(|t| {
        !t.is_empty() && t.len() <= 128 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    });
    let digest_fits = digest.is_none_or(|d| d.split_once(':').is_some_and(|(_, hex)| hex.len() >= 32));
    if !repository_fits(repository) || !tag_fits || !digest_fits {
        return None;
    }
    Some(if tag.is_none() && digest.is_none() { format!("{name}:latest") } else { name.to_owned() })
}

/// Lower-case path components; the first may be a host with a port.
fn repository_fits(repository: &str) -> bool {
    let parts: Vec<&str> = repository.split('/').collect();
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost";
    let host_parts = usize::from(parts.len() > 1 && is_host(parts[0]));
    let component = |part: &&str| -> bool {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        !part.is_empty()
            && part.bytes().all(|b| plain(b) || b"._-".contains(&b))
            && part.bytes().next().is_some_and(plain)
            && part.bytes().last().is_some_and(plain)
    };
    !parts[host_parts..].is_empty() && parts[host_parts..].iter().all(component)
}

#[cfg(test)]
mod tests {
    use super::with_default_tag;

    #[test]
    fn names_get_a_tag_and_what_is_no_name_is_refused() {
        assert_eq!(with_default_tag("busybox").as_deref(), Some("busybox:latest"));
        assert_eq!(with_default_tag("localhost:5000/a/b").as_deref(), Some("localhost:5000/a/b:latest"));
        assert_eq!(with_default_tag("a.b/c:1").as_deref(), Some("a.b/c:1"));
        let digest = format!("a@sha256:{}", "0".repeat(64));
        assert_eq!(with_default_tag(&digest).as_deref(), Some(digest.as_str()));
        for bad in ["", "Upper/Case", "a:", "a b", "a//b", "a@x", "-a", "a:t:u"] {
            assert_eq!(with_default_tag(bad), None, "{bad}");
        }
    }
}
