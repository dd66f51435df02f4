//! kube-rs against a running server: typed objects, watches with initial events, and a controller with finalizers.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use futures::{StreamExt as _, TryStreamExt as _};
use gantry_tests::Cluster;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::{
    Api, Client, Config, Error, Resource as _, ResourceExt as _,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
    runtime::{
        controller::{Action, Controller},
        finalizer::{Error as FinalizerError, Event, finalizer},
        wait::await_condition,
        watcher::{self, watcher},
    },
};

const NAMESPACE: &str = "kube-rs";
const LONG: Duration = Duration::from_secs(30);

async fn connect() -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(Cluster::shared_control_plane()?)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn map(name: &str) -> ConfigMap {
    let metadata = ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() };
    ConfigMap { metadata, data: Some(BTreeMap::from([("a".into(), "1".into())])), ..ConfigMap::default() }
}

#[tokio::test]
async fn kube_rs_works_and_its_controller_follows_every_change() -> Result<()> {
    let client = connect().await?;
    let namespace = Namespace {
        metadata: ObjectMeta { name: Some(NAMESPACE.into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    objects(&client).await?;
    initial_events(&client).await?;
    controller(&client).await
}

async fn objects(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let made = maps.create(&PostParams::default(), &map("typed")).await?;
    let refused = maps.create(&PostParams::default(), &map("typed")).await;
    assert!(matches!(&refused, Err(Error::Api(status)) if status.is_already_exists()), "{refused:?}");
    assert_eq!(maps.get_opt("missing").await?.map(|m| m.name_any()), None);
    let mut changed = made.clone();
    changed.data.get_or_insert_default().insert("b".into(), "2".into());
    maps.replace("typed", &PostParams::default(), &changed).await?;
    let stale = maps.replace("typed", &PostParams::default(), &changed).await;
    assert!(matches!(&stale, Err(Error::Api(status)) if status.is_conflict()), "{stale:?}");
    let applied = ConfigMap { data: Some(BTreeMap::from([("c".into(), "3".into())])), ..map("typed") };
    let applied = maps.patch("typed", &PatchParams::apply("kube-rs"), &Patch::Apply(&applied)).await?;
    let names: Vec<&str> = applied.data.iter().flatten().map(|(k, _)| k.as_str()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let listed = maps.list_metadata(&ListParams::default().fields("metadata.name=typed")).await?;
    assert_eq!(listed.items.len(), 1);
    Ok(())
}

/// `sendInitialEvents`: the list arrives through the watch.
async fn initial_events(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let stream = watcher(maps, watcher::Config::default().streaming_lists());
    let mut stream = std::pin::pin!(stream);
    let mut names = Vec::new();
    tokio::time::timeout(LONG, async {
        while let Some(event) = stream.try_next().await? {
            match event {
                watcher::Event::InitApply(map) => names.push(map.name_any()),
                watcher::Event::InitDone => break,
                _ => {}
            }
        }
        anyhow::Ok(())
    })
    .await
    .context("the initial events do not end")??;
    assert!(names.contains(&"typed".to_owned()), "{names:?}");
    Ok(())
}

/// Keeps a Secret for every ConfigMap, and takes it away before the ConfigMap may go.
async fn reconcile(map: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, FinalizerError<Error>> {
    let maps: Api<ConfigMap> = Api::namespaced((*client).clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced((*client).clone(), NAMESPACE);
    let name = map.name_any();
    finalizer(&maps, "gantry.dev/kept", map, |event| async {
        match event {
            Event::Apply(map) => {
                let owner = map.controller_owner_ref(&());
                let metadata = ObjectMeta {
                    name: Some(name.clone()),
                    owner_references: owner.map(|o| vec![o]),
                    ..ObjectMeta::default()
                };
                let secret = Secret { metadata, ..Secret::default() };
                secrets.patch(&name, &PatchParams::apply("keeper"), &Patch::Apply(&secret)).await?;
            }
            Event::Cleanup(_) => {
                secrets.delete(&name, &DeleteParams::default()).await?;
            }
        }
        Ok(Action::await_change())
    })
    .await
}

async fn controller(client: &Client) -> Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    let only_ours = watcher::Config::default().labels("keep=yes");
    let run = Controller::new(maps.clone(), only_ours)
        .owns(secrets.clone(), watcher::Config::default())
        .run(reconcile, |_, _, _| Action::requeue(Duration::from_millis(200)), Arc::new(client.clone()))
        .for_each(|_| std::future::ready(()));
    let run = tokio::spawn(run);
    let mut kept = map("kept");
    kept.metadata.labels = Some(BTreeMap::from([("keep".into(), "yes".into())]));
    maps.create(&PostParams::default(), &kept).await?;
    let exists = |secret: Option<&Secret>| secret.is_some();
    tokio::time::timeout(LONG, await_condition(secrets.clone(), "kept", exists))
        .await
        .context("the Secret does not come")??;
    secrets.delete("kept", &DeleteParams::default()).await?;
    let again = |secret: Option<&Secret>| secret.is_some_and(|s| s.metadata.deletion_timestamp.is_none());
    tokio::time::timeout(LONG, await_condition(secrets.clone(), "kept", again))
        .await
        .context("it does not come again")??;
    maps.delete("kept", &DeleteParams::default()).await?;
    let gone = |map: Option<&ConfigMap>| map.is_none();
    tokio::time::timeout(LONG, await_condition(maps, "kept", gone)).await.context("the ConfigMap does not go")??;
    run.abort();
    Ok(())
}
