//! What to try next.

use gantry_base::DataDir;

/// Three commands, ready to be pasted.
pub fn print(dir: &DataDir) {
    println!();
    println!("Gantry is up. Try:");
    println!();
    println!("  export KUBECONFIG={}", dir.kubeconfig().display());
    println!("  kubectl get nodes,pods --all-namespaces --output wide");
    println!("  kubectl apply -f examples/guestbook");
    println!();
}
