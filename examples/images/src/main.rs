//! Packs the images of the examples and tests as OCI archives: `busybox.tar` from the machine's static busybox, `web.tar`
//! from the web server that cargo built.
//!
//! Usage: `gantry-example-images FOLDER WEB_SERVER`

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use gantry_cri::oci_archive::{ImageBuilder, Layer};

/// Where Debian's busybox-static puts it.
const BUSYBOX: [&str; 2] = ["/bin/busybox", "/usr/bin/busybox"];

/// Commands that the examples and tests call by name.
const APPLETS: &[&str] = &[
    "[",
    "ash",
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dd",
    "df",
    "dirname",
    "du",
    "echo",
    "env",
    "expr",
    "false",
    "find",
    "free",
    "grep",
    "head",
    "hostname",
    "httpd",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "md5sum",
    "mkdir",
    "mount",
    "mv",
    "nc",
    "netstat",
    "nslookup",
    "ping",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sh",
    "sha256sum",
    "sleep",
    "sort",
    "stat",
    "stty",
    "tail",
    "tar",
    "tee",
    "test",
    "time",
    "timeout",
    "top",
    "touch",
    "tr",
    "true",
    "uname",
    "uniq",
    "uptime",
    "vi",
    "wc",
    "wget",
    "which",
    "whoami",
    "xargs",
    "yes",
];

const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
const GROUP: &[u8] = b"root:x:0:\nnogroup:x:65534:\n";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [folder, web] = arguments.as_slice() else { bail!("usage: gantry-example-images FOLDER WEB_SERVER") };
    let folder = Path::new(folder);
    let busybox = ImageBuilder::new("gantry.local/busybox:1").layer(busybox_layer()?).cmd(["sh"]);
    write(busybox.env("PATH", "/bin"), &folder.join("busybox.tar"))?;
    let server = fs::read(web).with_context(|| format!("cannot read {web}"))?;
    for (tag, archive) in [("1", "web.tar"), ("2", "web-2.tar")] {
        let image = ImageBuilder::new(&format!("gantry.local/web:{tag}")).layer(web_layer(&server)?);
        write(image.env("VERSION", tag).entrypoint(["/web"]), &folder.join(archive))?;
    }
    Ok(())
}

fn busybox_layer() -> Result<Layer> {
    let path =
        BUSYBOX.into_iter().find(|p| Path::new(p).is_file()).context("busybox is missing: install busybox-static")?;
    let mut layer = Layer::new();
    layer.directory("bin", 0o755)?.directory("etc", 0o755)?.directory("tmp", 0o1777)?.directory("root", 0o700)?;
    layer.file("bin/busybox", 0o755, &fs::read(path)?)?.file("etc/passwd", 0o644, PASSWD)?.file(
        "etc/group",
        0o644,
        GROUP,
    )?;
    for applet in APPLETS {
        layer.symlink(&format!("bin/{applet}"), "busybox")?;
    }
    Ok(layer)
}

fn web_layer(server: &[u8]) -> Result<Layer> {
    let mut layer = Layer::new();
    layer.directory("etc", 0o755)?.directory("tmp", 0o1777)?;
    layer.file("web", 0o755, server)?.file("etc/passwd", 0o644, PASSWD)?.file("etc/group", 0o644, GROUP)?;
    Ok(layer)
}

fn write(image: ImageBuilder, path: &Path) -> Result<()> {
    image.write_to(path).with_context(|| format!("cannot write {}", path.display()))
}
