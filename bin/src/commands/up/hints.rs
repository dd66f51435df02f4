//! What to try next.

use std::io::Write;

use gantry_base::DataDir;

/// Three commands, ready to be pasted.
pub fn print(dir: &DataDir) {
    let kubeconfig = dir.kubeconfig();
    let text = format!(
        "\nGantry is up. Try:\n\n  export KUBECONFIG={}\n  kubectl get nodes,pods --all-namespaces --output wide\n  \
         kubectl apply -f examples/guestbook\n",
        kubeconfig.display()
    );
    // Whoever reads may have seen enough: everything runs.
    let _ = writeln!(std::io::stdout(), "{text}");
}
