// The official Go client against a running server: protobuf on the wire, informers, apply configurations, leader election.
// Usage: client KUBECONFIG NAMESPACE. Exits 0 when all is as expected.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	applyapps "k8s.io/client-go/applyconfigurations/apps/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/util/retry"
)

func check(holds bool, format string, arguments ...any) {
	if !holds {
		fmt.Fprintf(os.Stderr, format+"\n", arguments...)
		os.Exit(1)
	}
}

func must[T any](value T, err error) T {
	check(err == nil, "%v", err)
	return value
}

// Counts the answers and the watches by what they were written in.
type contentTypes struct {
	next              http.RoundTripper
	protobuf, streams atomic.Int32
}

func (c *contentTypes) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := c.next.RoundTrip(request)
	if err == nil && strings.HasPrefix(response.Header.Get("Content-Type"), "application/vnd.kubernetes.protobuf") {
		c.protobuf.Add(1)
		if strings.Contains(response.Header.Get("Content-Type"), "stream=watch") {
			c.streams.Add(1)
		}
	}
	return response, err
}

func objects(ctx context.Context, clients kubernetes.Interface, namespace string) {
	maps := clients.CoreV1().ConfigMaps(namespace)
	body := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "typed"}, Data: map[string]string{"a": "1"}, BinaryData: map[string][]byte{"b": {0, 255}}}
	made := must(maps.Create(ctx, body, metav1.CreateOptions{}))
	check(made.UID != "" && made.BinaryData["b"][1] == 255, "%+v", made)
	_, err := maps.Create(ctx, body, metav1.CreateOptions{})
	check(apierrors.IsAlreadyExists(err), "%v", err)
	_, err = maps.Get(ctx, "missing", metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "%v", err)
	stale := made.DeepCopy()
	made.Data["a"] = "2"
	must(maps.Update(ctx, made, metav1.UpdateOptions{}))
	_, err = maps.Update(ctx, stale, metav1.UpdateOptions{})
	check(apierrors.IsConflict(err), "%v", err)
	check(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		current := must(maps.Get(ctx, "typed", metav1.GetOptions{}))
		current.Data["c"] = "3"
		_, err := maps.Update(ctx, current, metav1.UpdateOptions{})
		return err
	}) == nil, "an update after a conflict")
	patched := must(maps.Patch(ctx, "typed", types.StrategicMergePatchType, []byte(`{"data":{"a":null}}`), metav1.PatchOptions{}))
	check(len(patched.Data) == 1 && patched.Data["c"] == "3", "%v", patched.Data)
	_, err = maps.Create(ctx, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "Not_A_Name"}}, metav1.CreateOptions{})
	check(apierrors.IsInvalid(err), "%v", err)
}

// An informer's cache ends up with what is there, whatever happens while it starts.
func informer(ctx context.Context, clients kubernetes.Interface, namespace string) {
	factory := informers.NewSharedInformerFactoryWithOptions(clients, 0, informers.WithNamespace(namespace))
	secrets := factory.Core().V1().Secrets()
	var added, deleted atomic.Int32
	must(secrets.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { added.Add(1) },
		DeleteFunc: func(any) { deleted.Add(1) },
	}))
	for n := range 20 {
		must(clients.CoreV1().Secrets(namespace).Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("s%d", n)}}, metav1.CreateOptions{}))
		if n == 10 {
			factory.Start(ctx.Done())
			check(cache.WaitForCacheSync(ctx.Done(), secrets.Informer().HasSynced), "the cache does not fill")
		}
	}
	check(clients.CoreV1().Secrets(namespace).Delete(ctx, "s3", metav1.DeleteOptions{}) == nil, "delete")
	settled := func(context.Context) (bool, error) { return added.Load() == 20 && deleted.Load() == 1, nil }
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, settled)
	check(err == nil, "the informer saw %d added, %d deleted", added.Load(), deleted.Load())
	_, err = secrets.Lister().Secrets(namespace).Get("s3")
	check(apierrors.IsNotFound(err), "%v", err)
}

// An informer of whatever kind, over JSON: the same list and watch, decoded without types.
func dynamically(ctx context.Context, config *rest.Config, namespace string) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	client := must(dynamic.NewForConfig(config))
	secrets := schema.GroupVersionResource{Version: "v1", Resource: "secrets"}
	factory := dynamicinformer.NewFilteredDynamicSharedInformerFactory(client, 0, namespace, func(o *metav1.ListOptions) { o.LabelSelector = "chosen" })
	informer := factory.ForResource(secrets)
	var seen atomic.Int32
	must(informer.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { seen.Add(1) }, DeleteFunc: func(any) { seen.Add(100) },
	}))
	factory.Start(ctx.Done())
	check(cache.WaitForCacheSync(ctx.Done(), informer.Informer().HasSynced), "the cache does not fill")
	label := func(value string) {
		patch := []byte(`{"metadata":{"labels":{"chosen":` + value + `}}}`)
		must(client.Resource(secrets).Namespace(namespace).Patch(ctx, "s5", types.MergePatchType, patch, metav1.PatchOptions{}))
	}
	settled := func(count int32) func(context.Context) (bool, error) {
		return func(context.Context) (bool, error) { return seen.Load() == count, nil }
	}
	label(`"yes"`)
	check(wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, settled(1)) == nil, "what begins to match is added")
	label(`null`)
	check(wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, 30*time.Second, true, settled(101)) == nil, "what ceases to match is deleted")
}

// Status, eviction, preconditions and collections: what operators use besides plain writes.
func lives(ctx context.Context, clients kubernetes.Interface, namespace string) {
	pods := clients.CoreV1().Pods(namespace)
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{GenerateName: "p-", Labels: map[string]string{"app": "p"}}, Spec: corev1.PodSpec{
		SchedulerName: "nobody", Containers: []corev1.Container{{Name: "c", Image: "i"}},
	}}
	var made *corev1.Pod
	// The namespace's account comes a moment later.
	admitted := func(ctx context.Context) (bool, error) {
		var err error
		made, err = pods.Create(ctx, pod, metav1.CreateOptions{})
		return err == nil, nil
	}
	check(wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, 30*time.Second, true, admitted) == nil, "no pod is admitted")
	made.Status.Phase, made.Spec.NodeName = corev1.PodRunning, "nowhere"
	updated := must(pods.UpdateStatus(ctx, made, metav1.UpdateOptions{}))
	check(updated.Status.Phase == corev1.PodRunning && updated.Spec.NodeName == "", "%+v", updated)
	other := types.UID("another")
	err := pods.Delete(ctx, made.Name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &other}})
	check(apierrors.IsConflict(err), "%v", err)
	err = pods.EvictV1(ctx, &policyv1.Eviction{ObjectMeta: metav1.ObjectMeta{Name: made.Name}})
	check(err == nil, "%v", err)
	_, err = pods.Get(ctx, made.Name, metav1.GetOptions{})
	check(apierrors.IsNotFound(err), "%v", err)
	check(clients.CoreV1().Secrets(namespace).DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{FieldSelector: "metadata.name!=s0"}) == nil, "delete a collection")
	left := must(clients.CoreV1().Secrets(namespace).List(ctx, metav1.ListOptions{}))
	check(len(left.Items) == 1 && left.Items[0].Name == "s0", "%+v", left.Items)
}

func applied(ctx context.Context, clients kubernetes.Interface, namespace string) {
	deployments := clients.AppsV1().Deployments(namespace)
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"a": "b"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	none := int32(0)
	must(deployments.Create(ctx, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{Replicas: &none, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"a": "b"}}, Template: template}}, metav1.CreateOptions{FieldManager: "creator"}))
	wanted := applyapps.Deployment("web", namespace).WithSpec(applyapps.DeploymentSpec().WithReplicas(2))
	_, err := deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "go"})
	check(apierrors.IsConflict(err), "%v", err)
	after := must(deployments.Apply(ctx, wanted, metav1.ApplyOptions{FieldManager: "go", Force: true}))
	check(*after.Spec.Replicas == 2, "%d", *after.Spec.Replicas)
	extracted := must(applyapps.ExtractDeployment(after, "go"))
	check(*extracted.Spec.Replicas == 2 && extracted.Spec.Template == nil, "%+v", extracted.Spec)
	// The deployment's controller writes too.
	check(retry.RetryOnConflict(retry.DefaultRetry, func() error {
		scale := must(deployments.GetScale(ctx, "web", metav1.GetOptions{}))
		scale.Spec.Replicas = 0
		_, err := deployments.UpdateScale(ctx, "web", scale, metav1.UpdateOptions{})
		return err
	}) == nil, "scaling after a conflict")
}

func pages(ctx context.Context, clients kubernetes.Interface, namespace string) {
	var names []string
	options := metav1.ListOptions{Limit: 6}
	for {
		page := must(clients.CoreV1().Secrets(namespace).List(ctx, options))
		for _, item := range page.Items {
			names = append(names, item.Name)
		}
		if options.Continue = page.Continue; options.Continue == "" {
			break
		}
	}
	check(len(names) == 19, "%v", names)
}

func partial(ctx context.Context, config *rest.Config, namespace string) {
	client := must(metadata.NewForConfig(config))
	list := must(client.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(namespace).List(ctx, metav1.ListOptions{}))
	check(len(list.Items) == 19 && list.Items[0].Name != "" && list.Items[0].UID != "", "%d %+v", len(list.Items), list.Items[0])
}

func elected(ctx context.Context, config *rest.Config, clients kubernetes.Interface, namespace string) {
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	lock := must(resourcelock.New(resourcelock.LeasesResourceLock, namespace, "leader", clients.CoreV1(), clients.CoordinationV1(), resourcelock.ResourceLockConfig{Identity: "me"}))
	leading := false
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 3 * time.Second, RenewDeadline: 2 * time.Second, RetryPeriod: 100 * time.Millisecond, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{OnStartedLeading: func(context.Context) { leading = true; stop() }, OnStoppedLeading: func() {}},
	})
	check(leading, "nobody leads")
}

func main() {
	ctx, stop := context.WithTimeout(context.Background(), 2*time.Minute)
	defer stop()
	config := must(clientcmd.BuildConfigFromFlags("", os.Args[1]))
	namespace := os.Args[2]
	config.QPS, config.Burst = 200, 200
	plain := must(kubernetes.NewForConfig(config))
	must(plain.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{}))
	protobuf := rest.CopyConfig(config)
	protobuf.ContentType = "application/vnd.kubernetes.protobuf"
	protobuf.AcceptContentTypes = "application/vnd.kubernetes.protobuf"
	counted := &contentTypes{}
	protobuf.Wrap(func(next http.RoundTripper) http.RoundTripper { counted.next = next; return counted })
	binary := must(kubernetes.NewForConfig(protobuf))
	objects(ctx, binary, namespace)
	informer(ctx, binary, namespace)
	check(counted.protobuf.Load() > 25 && counted.streams.Load() > 0, "%d answers and %d watches in protobuf", counted.protobuf.Load(), counted.streams.Load())
	pages(ctx, binary, namespace)
	applied(ctx, binary, namespace)
	elected(ctx, config, binary, namespace)
	partial(ctx, protobuf, namespace)
	partial(ctx, config, namespace)
	dynamically(ctx, config, namespace)
	lives(ctx, binary, namespace)
	check(plain.CoreV1().Namespaces().Delete(ctx, namespace, metav1.DeleteOptions{}) == nil, "delete the namespace")
}
