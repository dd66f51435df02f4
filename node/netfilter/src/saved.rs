//! Reads what `iptables-save -t TABLE` prints.

use crate::chain::{ChainName, Ownership};

/// What of a saved table concerns us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry<'a> {
    /// A chain of ours stands there.
    Chain(ChainName),
    /// The next rule of a chain of ours: its text from behind the chain's name.
    Rule(ChainName, &'a str),
    /// A rule of a foreign chain that jumps to one of ours.
    Hook(ChainName, &'a str),
}

pub(crate) fn entries<'a>(saved: &'a str, ownership: &'a Ownership) -> impl Iterator<Item = Entry<'a>> {
    saved.lines().filter_map(|line| entry(line, ownership))
}

fn entry<'a>(line: &'a str, ownership: &Ownership) -> Option<Entry<'a>> {
    if let Some(declared) = line.strip_prefix(':') {
        let name = declared.split(' ').next()?;
        return ownership.owns(name).then(|| ChainName::new(name).ok().map(Entry::Chain))?;
    }
    let rest = line.strip_prefix("-A ")?;
    let (name, text) = rest.split_at(rest.find(' ')?);
    let chain = ChainName::new(name).ok()?;
    if ownership.owns(name) {
        return Some(Entry::Rule(chain, text));
    }
    jump(text).filter(|to| ownership.owns(to)).map(|_| Entry::Hook(chain, text))
}

/// Where the rule jumps: the word behind the last `-j` or `-g`.
fn jump(text: &str) -> Option<&str> {
    let mut words = text.rsplit(' ');
    let mut behind = words.next()?;
    for word in words {
        if word == "-j" || word == "-g" {
            return Some(behind);
        }
        behind = word;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_chains_and_rules_are_passed_over() {
        let name = |text| ChainName::new(text).expect("a name");
        let ownership = Ownership { names: vec![name("KUBE-SERVICES")], prefixes: vec!["KUBE-SVC-".into()] };
        let saved = "# made by\n*nat\n:PREROUTING ACCEPT [0:0]\n:KUBE-SVC-A - [0:0]\n:CNI-X - [0:0]\n:KUBE-KUBELET-CANARY - [0:0]\n\
                     -A PREROUTING -m comment --comment \"x y\" -j KUBE-SERVICES\n-A PREROUTING -j CNI-X\n\
                     -A KUBE-SVC-A -p tcp -j DNAT --to-destination 1.2.3.4:80\n-A CNI-X -j RETURN\nCOMMIT\n";
        let got: Vec<_> = entries(saved, &ownership).collect();
        let want = [
            Entry::Chain(name("KUBE-SVC-A")),
            Entry::Hook(name("PREROUTING"), " -m comment --comment \"x y\" -j KUBE-SERVICES"),
            Entry::Rule(name("KUBE-SVC-A"), " -p tcp -j DNAT --to-destination 1.2.3.4:80"),
        ];
        assert_eq!(got, want);
    }
}
