//! What to try next.

use gantry_base::DataDir;

use crate::say;

/// Three commands, ready to be pasted.
pub fn print(dir: &DataDir) {
    let kubeconfig = dir.kubeconfig();
    say::line(format_args!(
        "\nGantry is up. Try:\n\n  export KUBECONFIG={}\n  kubectl get nodes,pods --all-namespaces --output wide\n  \
         kubectl apply -f examples/guestbook\n",
        kubeconfig.display()
    ));
}
