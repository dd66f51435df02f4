//! The driver on the kernel's real tables, each test in a network namespace of its own. Needs root.

use std::process::{Command, Stdio};

use gantry_netfilter::{
    Block, ChainName, ChainRef, Cidr, ConntrackState, FirewallDriver, FirewallError, Hook, IptablesDriver, Match,
    Ownership, Programs, Protocol, Rule, RuleSet, Table, Target, Update,
};

/// Runs the test on a thread that has a network namespace of its own: programs it starts are in there too.
fn in_own_namespace<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send) {
    assert!(nix::unistd::geteuid().is_root(), "these tests write packet filters: run them as root");
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).expect("root may make a network namespace");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(test());
        });
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    });
}

fn name(text: &str) -> ChainName {
    ChainName::new(text).expect("a chain's name")
}

fn driver() -> IptablesDriver {
    let prefixes = vec!["KUBE-SVC-".into(), "KUBE-SEP-".into()];
    let names = vec![name("KUBE-SERVICES"), name("KUBE-MARK-MASQ"), name("KUBE-FORWARD")];
    IptablesDriver::new(Programs::default(), Ownership { names, prefixes })
}

fn iptables(args: &str) {
    let status = Command::new("iptables").args(args.split(' ')).status().expect("iptables starts");
    assert!(status.success(), "iptables {args}");
}

/// Every chain and rule in the table, as the kernel prints them, without counters and comments of the program.
fn saved(table: &str) -> Vec<String> {
    let output = Command::new("iptables-save").args(["-t", table]).output().expect("iptables-save starts");
    let text = String::from_utf8(output.stdout).expect("text");
    let line = |l: &str| l.split(" [").next().unwrap_or_default().to_owned();
    text.lines().filter(|l| l.starts_with(':') || l.starts_with('-')).map(line).collect()
}

fn cidr(text: &str) -> Cidr {
    text.parse().expect("an address block")
}

fn hook(table: Table, built_in: &str) -> Hook {
    let rule = Rule::jump(&name("KUBE-SERVICES")).comment("kubernetes service portals");
    Hook { table, built_in: name(built_in), rule }
}

/// One service as its chains are built, using every kind of match and target once.
fn every_shape() -> RuleSet {
    let (services, svc, sep, masq) =
        (name("KUBE-SERVICES"), name("KUBE-SVC-A"), name("KUBE-SEP-A"), name("KUBE-MARK-MASQ"));
    let to = Block::In(cidr("10.96.0.1"));
    let mut set =
        RuleSet { hooks: vec![hook(Table::Nat, "PREROUTING"), hook(Table::Filter, "FORWARD")], ..RuleSet::default() };
    let port = |rule: Rule| rule.when(Match::DestinationPort(443));
    set.insert(
        Table::Nat,
        &services,
        vec![
            port(Rule::jump(&svc).to(to).protocol(Protocol::Tcp).comment("default/kubernetes:https cluster IP")),
            Rule::jump(&svc).when(Match::DestinationIsLocal).comment("single"),
            Rule::new(Target::Return).when(Match::SourceIsLocal).when(Match::Marked(0x4000)),
        ],
    );
    set.insert(
        Table::Nat,
        &svc,
        vec![
            port(Rule::jump(&masq).from(Block::NotIn(cidr("10.244.0.0/16"))).to(to).protocol(Protocol::Udp)),
            Rule::jump(&sep).when(Match::SeenWithin { list: sep.clone(), seconds: 10800 }),
            Rule::jump(&sep).when(Match::share(1, 3)),
            Rule::new(Target::FlipMark(0x4000)).when(Match::Unmarked(0x4000)),
        ],
    );
    set.insert(
        Table::Nat,
        &sep,
        vec![
            Rule::new(Target::Dnat("10.244.0.5:6443".parse().expect("an address")))
                .protocol(Protocol::Tcp)
                .when(Match::Remember(sep.clone()))
                .when(Match::ProtocolOnly),
        ],
    );
    // Not reachable from PREROUTING, where the kernel refuses to masquerade.
    let after = vec![
        Rule::new(Target::Masquerade).when(Match::Conntrack(ConntrackState::Dnat)).when(Match::SourceIsDestination),
    ];
    set.insert(Table::Nat, &name("KUBE-SVC-POSTROUTING"), after);
    set.insert(Table::Nat, &masq, vec![Rule::new(Target::SetMark(0x4000))]);
    set.insert(
        Table::Filter,
        &services,
        vec![
            port(Rule::new(Target::Reject).protocol(Protocol::Tcp)).comment("it's \"quoted\""),
            Rule::new(Target::Drop).when(Match::Conntrack(ConntrackState::Invalid)),
            Rule::new(Target::Accept).when(Match::Conntrack(ConntrackState::RelatedOrEstablished)),
            Rule::new(Target::Accept).when(Match::Conntrack(ConntrackState::New)),
            Rule::new(Target::Drop)
                .when(Match::Conntrack(ConntrackState::Unexpected))
                .when(Match::DestinationIsElsewhere),
        ],
    );
    set
}

#[test]
fn what_an_earlier_run_left_is_adopted_without_a_single_write() {
    in_own_namespace(|| async {
        let set = every_shape();
        let first = driver().apply(Update::Replace(&set)).await.expect("the kernel takes every shape");
        assert!(first.lines > set.rule_count());
        let before = [saved("nat"), saved("filter")];
        let second = driver().apply(Update::Replace(&set)).await.expect("a second daemon starts");
        assert_eq!(second.lines, 0, "rules read back differ from rules written: {before:#?}");
        assert_eq!([saved("nat"), saved("filter")], before);
    });
}

#[test]
fn foreign_chains_and_rules_stay_as_they_are() {
    in_own_namespace(|| async {
        iptables("-t nat -N CNI-HOSTPORT");
        iptables("-t nat -A PREROUTING -m addrtype --dst-type LOCAL -j CNI-HOSTPORT");
        iptables("-N KUBE-KUBELET-CANARY");
        iptables("-A INPUT -p tcp --dport 22 -j ACCEPT");
        let before = [saved("nat"), saved("filter")];
        let mut driver = driver();
        driver.apply(Update::Replace(&every_shape())).await.expect("a full table");
        let during = saved("nat");
        assert!(before[0].iter().all(|line| during.contains(line)), "{during:#?}");
        let ours = during.iter().position(|l| l.ends_with("-j KUBE-SERVICES")).expect("the hook");
        let theirs = during.iter().position(|l| l.ends_with("-j CNI-HOSTPORT")).expect("the foreign rule");
        assert!(ours < theirs, "services come before host ports");
        driver.clear().await.expect("all of ours removed");
        let strip = |lines: Vec<String>| {
            lines.into_iter().filter(|l| !l.starts_with(':') || !l.ends_with("ACCEPT")).collect::<Vec<_>>()
        };
        assert_eq!([saved("nat"), saved("filter")].map(strip), before.map(strip));
    });
}

#[test]
fn one_changed_chain_among_many_is_a_few_lines_and_leaves_the_others() {
    in_own_namespace(|| async {
        let mut driver = driver();
        let mut set = RuleSet::default();
        for i in 0..200 {
            let chain = name(&format!("KUBE-SVC-{i}"));
            set.insert(Table::Nat, &chain, vec![Rule::new(Target::Return).comment(format!("service {i}"))]);
        }
        let jumps = |skip: Option<usize>| {
            let jump = |i| Rule::jump(&name(&format!("KUBE-SVC-{i}"))).when(Match::SourceIsLocal);
            (0..200).filter(|i| Some(*i) != skip).map(jump).collect::<Vec<_>>()
        };
        set.insert(Table::Nat, &name("KUBE-SERVICES"), jumps(None));
        driver.apply(Update::Replace(&set)).await.expect("a full table");
        let mut want = saved("nat");

        let mut change = RuleSet::default();
        change.insert(Table::Nat, &name("KUBE-SERVICES"), jumps(Some(77)));
        let removed = [ChainRef::new(Table::Nat, &name("KUBE-SVC-77"))];
        let applied = driver.apply(Update::Change { set: &change, removed: &removed }).await.expect("one service less");
        assert_eq!(applied.lines, 3, "one rule deleted, its chain emptied and removed");
        want.retain(|line| !line.split([' ', ':']).any(|word| word == "KUBE-SVC-77"));
        assert_eq!(saved("nat"), want);
    });
}

#[test]
fn a_refused_change_leaves_the_table_and_the_next_one_starts_from_what_is_there() {
    in_own_namespace(|| async {
        let mut driver = driver();
        driver.apply(Update::Replace(&every_shape())).await.expect("a full table");
        let before = saved("nat");
        let mut wrong = RuleSet::default();
        wrong.insert(Table::Nat, &name("KUBE-SVC-A"), vec![Rule::new(Target::Return), Rule::jump(&name("NOWHERE"))]);
        let refused = driver.apply(Update::Change { set: &wrong, removed: &[] }).await;
        assert!(matches!(refused, Err(FirewallError::Refused { .. })), "{refused:?}");
        assert_eq!(saved("nat"), before);
        let again = driver.apply(Update::Replace(&every_shape())).await.expect("the same again");
        assert_eq!(again.lines, 0);
    });
}

#[test]
fn a_flush_by_somebody_else_is_noticed_and_mended() {
    in_own_namespace(|| async {
        let mut driver = driver();
        driver.apply(Update::Replace(&every_shape())).await.expect("a full table");
        let before = saved("nat");
        assert!(driver.stands().await.expect("a look"));
        iptables("-t nat -F");
        assert!(!driver.stands().await.expect("a look"));
        driver.apply(Update::Replace(&every_shape())).await.expect("mended");
        assert_eq!(saved("nat"), before);
    });
}

#[test]
fn a_writer_killed_at_any_moment_leaves_the_old_table_or_the_new_one() {
    in_own_namespace(|| async {
        let table = |target: &str| {
            let mut text = String::from("*nat\n:KUBE-SVC-A - [0:0]\n");
            (0..3000).for_each(|_| text.push_str(&format!("-A KUBE-SVC-A -p tcp -j {target}\n")));
            text + "COMMIT\n"
        };
        let (old, new) = (table("RETURN"), table("ACCEPT"));
        let mut outcomes = [0, 0];
        for round in 0..30 {
            restore_and_kill_after(&old, None);
            restore_and_kill_after(&new, Some(std::time::Duration::from_millis(round * 2)));
            let now: Vec<_> = saved("nat").into_iter().filter(|l| l.starts_with("-A KUBE-SVC-A")).collect();
            assert_eq!(now.len(), 3000);
            assert!(now.windows(2).all(|pair| pair[0] == pair[1]), "a mixed table after {} ms", round * 2);
            outcomes[usize::from(now[0].ends_with("ACCEPT"))] += 1;
        }
        assert!(outcomes.iter().all(|seen| *seen > 0), "the kills did not fall on both sides: {outcomes:?}");
    });
}

/// What the driver's child does, killed by -9 after a while.
fn restore_and_kill_after(payload: &str, delay: Option<std::time::Duration>) {
    let mut child = Command::new("iptables-restore")
        .args(["--noflush", "--wait", "5"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("iptables-restore starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let writer = std::thread::spawn({
        let payload = payload.to_owned();
        // A broken pipe is what the kill is for.
        move || drop(std::io::Write::write_all(&mut stdin, payload.as_bytes()))
    });
    if let Some(delay) = delay {
        std::thread::sleep(delay);
        child.kill().expect("the child is ours");
    }
    child.wait().expect("the child ends");
    writer.join().expect("the writer ends");
}
