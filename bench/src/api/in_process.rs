//! Lists from the cache and server-side apply, without a connection between.

use gantry_codec::{Expected, Format, Strictness, Surroundings};
use gantry_meta::{Object, Value};
use gantry_patch::managed;
use jiff::Timestamp;

use crate::{
    store,
    table::{Budget, Row},
};

pub async fn run(objects: usize) -> anyhow::Result<Vec<Row>> {
    let lists = store::lists(objects).await?;
    let row = |what: String, unit, measured, most| Row { what, unit, measured, budget: Budget::Most(most), peer: None };
    Ok(vec![
        row(format!("list of {objects} x 4 KiB from the cache, an object"), "us", lists.object_us, 1.0),
        row("first page of 500, p99".into(), "ms", lists.page_p99_us / 1e3, 5.0),
        row("server-side apply of a Deployment, CPU in process".into(), "us", applies()?, 100.0),
    ])
}

const APPLIES: u32 = 2000;
const APPLY_ROUNDS: usize = 5;

const DEPLOYMENT: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web","namespace":"default","labels":{"app":"web","tier":"front"}},
"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web","tier":"front"}},
"spec":{"containers":[{"name":"web","image":"registry.example/web:1","ports":[{"name":"http","containerPort":8080}],
"env":[{"name":"MODE","value":"production"},{"name":"SECRET","valueFrom":{"secretKeyRef":{"name":"web","key":"secret"}}}],
"resources":{"requests":{"cpu":"100m","memory":"64Mi"},"limits":{"memory":"128Mi"}},
"readinessProbe":{"httpGet":{"path":"/healthz","port":"http"},"periodSeconds":5},
"volumeMounts":[{"name":"config","mountPath":"/etc/web"}]},{"name":"sidecar","image":"registry.example/sidecar:2"}],
"volumes":[{"name":"config","configMap":{"name":"web"}}]}}}}"#;

/// Microseconds of processor time from the configuration's and the stored object's bytes to the bytes to be stored, when another image is
/// applied: read, merged, owners noted, decoded with defaults, validated, written. The median of some rounds.
fn applies() -> anyhow::Result<f64> {
    let mut rounds = (0..APPLY_ROUNDS).map(|_| round_of_applies()).collect::<anyhow::Result<Vec<f64>>>()?;
    rounds.sort_by(f64::total_cmp);
    Ok(rounds[rounds.len() / 2])
}

fn round_of_applies() -> anyhow::Result<f64> {
    let mut stored = applied(None, DEPLOYMENT, 0)?;
    let before = store::thread_cpu();
    for n in 1..=APPLIES {
        let config = DEPLOYMENT.replace("web:1", &format!("web:{n}"));
        stored = applied(Some(&stored), &config, n)?;
    }
    Ok((store::thread_cpu() - before).as_secs_f64() * 1e6 / f64::from(APPLIES))
}

fn applied(stored: Option<&[u8]>, config: &str, second: u32) -> anyhow::Result<Vec<u8>> {
    let resource = gantry_kinds::catalog().resource("apps", "v1", "deployments").expect("Deployments are built in");
    let now = Timestamp::from_second(1_700_000_000 + i64::from(second))?;
    let writer = managed::Writer {
        ty: &resource.root,
        api_version: &resource.api_version,
        manager: "bench",
        subresource: "",
        reset: &resource.reset_fields,
        versions: &managed::OneVersion,
        now,
    };
    let old: Option<Object> = stored.map(gantry_codec::parse_stored).transpose()?;
    let config = gantry_codec::decode(Expected::from(resource), config.as_bytes(), Format::Json, Strictness::Ignore)?;
    let merged = managed::apply(writer, old.as_ref(), &config.object, false)?;
    let mut object = gantry_codec::decode_value(resource.into(), Value::Object(merged), Strictness::Ignore)?.object;
    gantry_codec::apply_defaults(&resource.root, &mut object, &Surroundings { now });
    let named = gantry_validation::Resource { group: "apps", resource: "deployments", namespaced: true };
    let causes =
        old.as_ref().map(|old| gantry_validation::validate_update(named, &object, old, None)).unwrap_or_default();
    anyhow::ensure!(causes.is_empty(), "the applied Deployment is refused: {causes:?}");
    gantry_codec::canonical::canonicalise(&resource.root, &mut object);
    Ok(gantry_codec::encode_stored(&object))
}
