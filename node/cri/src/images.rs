//! CRI's image service.

use std::time::Duration;

use k8s_cri::v1::{self as api, image_service_client::ImageServiceClient};
use tonic::{Request, transport::Channel};

use crate::CriError;

const QUICK: Duration = Duration::from_secs(30);
/// A pull ends by itself when the registry makes no progress; this only bounds a runtime that hangs.
const PULL: Duration = Duration::from_secs(3600);

/// Typed calls of CRI's image service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ImageClient {
    client: ImageServiceClient<Channel>,
}

fn spec(reference: &str) -> Option<api::ImageSpec> {
    Some(api::ImageSpec { image: reference.into(), ..Default::default() })
}

impl ImageClient {
    pub fn new(channel: Channel) -> Self {
        Self { client: ImageServiceClient::new(channel) }
    }

    /// The image that a name, digest or id stands for; `None` if it is not on the node.
    pub async fn image_status(&self, reference: &str) -> Result<Option<api::Image>, CriError> {
        let mut request = Request::new(api::ImageStatusRequest { image: spec(reference), verbose: false });
        request.set_timeout(QUICK);
        let response = self.client.clone().image_status(request).await;
        response.map(|r| r.into_inner().image).map_err(|s| CriError::from_status("image_status", &s))
    }

    pub async fn list_images(&self) -> Result<Vec<api::Image>, CriError> {
        let mut request = Request::new(api::ListImagesRequest { filter: None });
        request.set_timeout(QUICK);
        let response = self.client.clone().list_images(request).await;
        response.map(|r| r.into_inner().images).map_err(|s| CriError::from_status("list_images", &s))
    }

    /// Pulls from a registry and unpacks. Returns the image's reference by digest.
    pub async fn pull_image(
        &self,
        reference: &str,
        auth: Option<api::AuthConfig>,
        sandbox_config: Option<api::PodSandboxConfig>,
    ) -> Result<String, CriError> {
        let mut request = Request::new(api::PullImageRequest { image: spec(reference), auth, sandbox_config });
        request.set_timeout(PULL);
        let response = self.client.clone().pull_image(request).await;
        response.map(|r| r.into_inner().image_ref).map_err(|s| CriError::from_status("pull_image", &s))
    }

    /// Removes an image under all its names. Idempotent.
    pub async fn remove_image(&self, reference: &str) -> Result<(), CriError> {
        let mut request = Request::new(api::RemoveImageRequest { image: spec(reference) });
        request.set_timeout(QUICK);
        let response = self.client.clone().remove_image(request).await;
        response.map(|_| ()).map_err(|s| CriError::from_status("remove_image", &s))
    }

    /// Usage of the file systems that hold images.
    pub async fn image_fs_info(&self) -> Result<Vec<api::FilesystemUsage>, CriError> {
        let mut request = Request::new(api::ImageFsInfoRequest {});
        request.set_timeout(QUICK);
        let response = self.client.clone().image_fs_info(request).await;
        response.map(|r| r.into_inner().image_filesystems).map_err(|s| CriError::from_status("image_fs_info", &s))
    }
}
