use super::*;

fn scope() -> Scope {
    let mut scope = Scope::new([("object", Type::Dyn), ("n", Type::Int), ("s", Type::String)]);
    scope.add("list", Type::String.list());
    scope.add_variable("known", Type::Bool);
    scope.building(&["Object"]).binding()
}

#[track_caller]
fn of(text: &str) -> Result<String, Fault> {
    compile(text, &scope()).map(|found| found.to_string())
}

#[test]
fn sound_expressions_have_types() {
    for (text, expected) in [
        ("true", "bool"),
        ("object.spec.replicas <= 5 && !has(object.x) || n in [1, 2]", "bool"),
        ("object.metadata.name.startsWith('a') ? 'x' : \"y\"", "string"),
        ("object.items.all(i, i.size() > 0 && i.name != null)", "bool"),
        ("list.map(x, x.size()).sum() + 1", "int"),
        ("list.filter(x, x.matches('^a+$')).join(',')", "string"),
        ("object[?'a'].orValue(3) == 3", "bool"),
        ("object.?a.?b.hasValue()", "bool"),
        ("cel.bind(x, n * 2, x % 3) == 1", "bool"),
        ("quantity('1Gi').isLessThan(quantity('2Gi'))", "bool"),
        ("timestamp('2026-01-01T00:00:00Z') + duration('1h')", "google.protobuf.Timestamp"),
        ("variables.known", "bool"),
        ("Object{spec: Object.spec{replicas: 3}}", "Object"),
        ("{'a': 1, 'b': 2}['a']", "int"),
        ("-n - -3 // a remark", "int"),
        ("r'\\d' + '''a\nb''' + '\\u00e9\\x41\\101'", "string"),
        ("type(n) == int", "bool"),
        ("[1, 2].exists_one(x, x > 1) && list.all(i, v, i >= 0 && v != '')", "bool"),
        ("object.`a-b`.c", "dyn"),
        ("sets.contains(list, ['a'])", "bool"),
        ("duration('-1h30m.5s') < duration('0')", "bool"),
        ("lists.range(n).first()", "optional(int)"),
        ("optional.of(s).orValue('x')", "string"),
        ("url(s).getQuery()['q']", "list(string)"),
        ("object.items.slice(0, 1)", "list(dyn)"),
        ("object.items.sort()", "dyn"),
    ] {
        assert_eq!(of(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_does_not_parse_or_fit_is_refused() {
    for text in [
        "",
        "object.",
        "1 +",
        "(1",
        "[1, 2",
        "'open",
        "a b",
        "@",
        "unknown == 1",
        "'text' == 1",
        "1 + 'a'",
        "!n",
        "n.x",
        "list.frob()",
        "frob(1)",
        "s.startsWith(1)",
        "has(n)",
        "n ? 1 : 2",
        "true ? 1 : 'a'",
        "[1, 'a']",
        "variables.other",
        "Unknown{}",
        "for",
        "object.all(1, true)",
        "n.all(x, true)",
        "0x",
        "99999999999999999999",
        "'\\q'",
        "s[0]",
        "x = 1",
        "1 < 'a'",
        "n in 3",
        "list.map(x)",
        "\"a\nb\"",
        "a.in",
        "''.size(1)",
        "1 in ['a']",
        "s.matches('(')",
        "s.find(r'[') == ''",
        "duration('soon') > duration('1h')",
        "timestamp('2026-02-31T00:00:00Z') == timestamp('2026-02-01T00:00:00Z')",
        "math.ceil(1.0) == 1.0",
        "jsonpatch.escapeKey('a/b') == ''",
        "quantity('1').sign() == 1",
    ] {
        assert!(of(text).is_err(), "{text}: {:?}", of(text));
    }
}

#[test]
fn hostile_expressions_are_refused_and_not_followed() {
    for text in ["(".repeat(50_000), "!".repeat(90_000), "[".repeat(90_000)] {
        assert!(of(&text).is_err());
    }
    assert!(of(&format!("object{}", ".a".repeat(49_000))).is_err());
    assert_eq!(of(&format!("n{}", "+n".repeat(40_000))).as_deref(), Ok("int"), "long is not deep");
    assert!(matches!(of(&" ".repeat(100_001)), Err(Fault::TooLong(100_001))));
}

#[test]
fn names_are_bound_and_patches_built_only_where_that_is_offered() {
    let plain = Scope::new([("n", Type::Int)]);
    assert!(compile("cel.bind(x, n, x == 1)", &plain).is_err());
    assert_eq!(compile("cel.bind(x, n, x == 1)", &plain.clone().binding()), Ok(Type::Bool));
    let patches = plain.building(&["JSONPatch"]);
    assert_eq!(compile("jsonpatch.escapeKey('a/b')", &patches), Ok(Type::String));
    for (text, fine) in [
        ("[JSONPatch{op: 'add', path: '/a', value: n}]", true),
        ("[JSONPatch{op: n}]", false),
        ("[JSONPatch{operation: 'add'}]", false),
    ] {
        assert_eq!(compile(text, &patches).is_ok(), fine, "{text}");
    }
}
