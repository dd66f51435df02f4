// The fabric8 client against a running server; its watches are WebSockets.
// Usage: ClientTest KUBECONFIG NAMESPACE. Exits 0 when all is as expected.

import io.fabric8.kubernetes.api.model.ConfigMap;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.NamespaceBuilder;
import io.fabric8.kubernetes.api.model.Secret;
import io.fabric8.kubernetes.api.model.SecretBuilder;
import io.fabric8.kubernetes.api.model.apps.DeploymentBuilder;
import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.fabric8.kubernetes.client.Watch;
import io.fabric8.kubernetes.client.Watcher;
import io.fabric8.kubernetes.client.WatcherException;
import io.fabric8.kubernetes.client.dsl.base.PatchContext;
import io.fabric8.kubernetes.client.dsl.base.PatchType;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.io.File;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

public final class ClientTest {
  private static void check(boolean holds, Object what) {
    if (!holds) throw new AssertionError(what);
  }

  private static void refused(int code, Runnable call) {
    try {
      call.run();
    } catch (KubernetesClientException error) {
      check(error.getCode() == code, error);
      return;
    }
    throw new AssertionError("expected " + code);
  }

  private static void objects(KubernetesClient client, String namespace) {
    var maps = client.configMaps().inNamespace(namespace);
    ConfigMap body = new ConfigMapBuilder().withNewMetadata().withName("typed").endMetadata().addToData("a", "1").build();
    ConfigMap made = maps.resource(body).create();
    check(made.getMetadata().getUid() != null, made);
    refused(409, () -> maps.resource(body).create());
    check(maps.withName("missing").get() == null, "a missing object is null");
    ConfigMap edited = maps.withName("typed").edit(m -> new ConfigMapBuilder(m).addToData("b", "2").build());
    check(edited.getData().equals(Map.of("a", "1", "b", "2")), edited);
    ConfigMap patched = maps.withName("typed").patch(PatchContext.of(PatchType.JSON_MERGE), "{\"data\":{\"a\":null}}");
    check(patched.getData().equals(Map.of("b", "2")), patched);
    ConfigMap wanted = new ConfigMapBuilder().withNewMetadata().withName("applied").endMetadata().addToData("k", "v").build();
    ConfigMap applied = maps.resource(wanted).fieldManager("java").serverSideApply();
    check(applied.getMetadata().getManagedFields().get(0).getManager().equals("java"), applied);
  }

  /** Lists, then follows over a WebSocket. */
  private static void informer(KubernetesClient client, String namespace) throws Exception {
    List<String> seen = new CopyOnWriteArrayList<>();
    CountDownLatch gone = new CountDownLatch(1);
    var secrets = client.secrets().inNamespace(namespace);
    secrets.resource(new SecretBuilder().withNewMetadata().withName("before").endMetadata().build()).create();
    try (var informer = secrets.inform(new ResourceEventHandler<Secret>() {
      @Override public void onAdd(Secret s) { seen.add("add " + s.getMetadata().getName()); }
      @Override public void onUpdate(Secret old, Secret s) {
        if (!old.getMetadata().getResourceVersion().equals(s.getMetadata().getResourceVersion())) seen.add("update " + s.getMetadata().getName());
      }
      @Override public void onDelete(Secret s, boolean unknown) { seen.add("delete " + s.getMetadata().getName()); gone.countDown(); }
    })) {
      secrets.resource(new SecretBuilder().withNewMetadata().withName("s").endMetadata().addToStringData("k", "v").build()).create();
      secrets.withName("s").edit(s -> new SecretBuilder(s).editMetadata().addToLabels("x", "y").endMetadata().build());
      secrets.withName("s").delete();
      check(gone.await(30, TimeUnit.SECONDS), seen);
      check(seen.equals(List.of("add before", "add s", "update s", "delete s")), seen);
      check(informer.getStore().list().size() == 1, informer.getStore().list());
    }
  }

  /** The client falls back to plain HTTP where a WebSocket is refused; this holds that it is not. */
  private static void websocket(KubernetesClient client, String namespace) throws Exception {
    BlockingQueue<String> seen = new LinkedBlockingQueue<>();
    try (Watch watch = client.configMaps().inNamespace(namespace).withLabel("seen").watch(new Watcher<ConfigMap>() {
      @Override public void eventReceived(Action action, ConfigMap m) { seen.add(action + " " + m.getMetadata().getName()); }
      @Override public void onClose(WatcherException cause) { seen.add("closed " + cause); }
    })) {
      check(watch.getClass().getSimpleName().equals("WatchConnectionManager"), watch.getClass());
      client.configMaps().inNamespace(namespace).resource(new ConfigMapBuilder().withNewMetadata().withName("w").addToLabels("seen", "yes").endMetadata().build()).create();
      check("ADDED w".equals(seen.poll(30, TimeUnit.SECONDS)), "the first event");
      client.configMaps().inNamespace(namespace).withName("w").edit(m -> new ConfigMapBuilder(m).editMetadata().removeFromLabels("seen").endMetadata().build());
      check("DELETED w".equals(seen.poll(30, TimeUnit.SECONDS)), "what ceases to match is deleted");
    }
  }

  private static void deployments(KubernetesClient client, String namespace) {
    var deployment = new DeploymentBuilder().withNewMetadata().withName("web").endMetadata().withNewSpec().withReplicas(1)
        .withNewSelector().addToMatchLabels("a", "b").endSelector()
        .withNewTemplate().withNewMetadata().addToLabels("a", "b").endMetadata()
        .withNewSpec().addNewContainer().withName("c").withImage("i").endContainer().endSpec().endTemplate().endSpec().build();
    var made = client.apps().deployments().inNamespace(namespace).resource(deployment).create();
    check(made.getSpec().getStrategy().getType().equals("RollingUpdate"), made);
    var scaled = client.apps().deployments().inNamespace(namespace).withName("web").scale();
    check(scaled.getSpec().getReplicas() == 1, scaled);
  }

  public static void main(String[] arguments) throws Exception {
    Config config = Config.fromKubeconfig(new File(arguments[0]));
    String namespace = arguments[1];
    try (KubernetesClient client = new KubernetesClientBuilder().withConfig(config).build()) {
      client.namespaces().resource(new NamespaceBuilder().withNewMetadata().withName(namespace).endMetadata().build()).create();
      objects(client, namespace);
      informer(client, namespace);
      websocket(client, namespace);
      deployments(client, namespace);
      check(client.getKubernetesVersion().getMinor().startsWith("36"), client.getKubernetesVersion());
      client.namespaces().withName(namespace).delete();
    }
  }
}
