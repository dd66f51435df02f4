//! Client programs that nobody here wrote the libraries of: made ready where their language is on the machine.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{artifacts, shell};

/// A language: the program that must be there, and what makes its client ready, run in a copy of its folder.
struct Language {
    folder: &'static str,
    needs: &'static [&'static str],
    steps: &'static [&'static [&'static str]],
}

const LANGUAGES: &[Language] = &[
    Language {
        folder: "python",
        needs: &["python3"],
        steps: &[
            &["python3", "-m", "venv", "venv"],
            &[
                "venv/bin/python",
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                "-r",
                "requirements.txt",
            ],
        ],
    },
    Language {
        folder: "javascript",
        needs: &["node", "npm"],
        steps: &[&["npm", "install", "--silent", "--no-audit", "--no-fund"]],
    },
    Language { folder: "go", needs: &["go"], steps: &[&["go", "build", "-o", "client", "."]] },
    Language {
        folder: "java",
        needs: &["javac", "mvn"],
        steps: &[&[
            "mvn",
            "--quiet",
            "--batch-mode",
            "compile",
            "dependency:build-classpath",
            "-Dmdep.outputFile=classpath",
        ]],
    },
];

/// Makes every client ready whose language is on the machine; returns the folder that holds them.
///
/// # Errors
/// A language is there but its client cannot be built.
pub fn prepare() -> Result<PathBuf> {
    let all = artifacts::target_dir()?.join("clients");
    for language in LANGUAGES {
        let into = all.join(language.folder);
        if let Some(missing) = language.needs.iter().find(|program| shell::find(program).is_none()) {
            shell::step(&format!("no {missing} here: the {} client is not tested", language.folder));
            if into.exists() {
                fs::remove_dir_all(&into).with_context(|| format!("cannot remove {}", into.display()))?;
            }
            continue;
        }
        shell::step(&format!("building the {} client", language.folder));
        copy(&shell::root().join("tests/clients").join(language.folder), &into)?;
        for step in language.steps {
            shell::run(shell::command(step[0], &step[1..]).current_dir(&into))?;
        }
    }
    Ok(all)
}

/// Over what is there: what an earlier run installed stays.
fn copy(from: &Path, into: &Path) -> Result<()> {
    fs::create_dir_all(into).with_context(|| format!("cannot make {}", into.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        let target = into.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("cannot write {}", target.display()))?;
        }
    }
    Ok(())
}
