//! The functions that expressions can call: CEL's own, and those of the API's libraries.

use super::Type;

/// A type in a signature.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Any,
    Bool,
    Int,
    Uint,
    Double,
    Str,
    Bytes,
    Duration,
    Timestamp,
    TypeOf,
    List,
    Strings,
    Ints,
    Map,
    Optional,
    Object(&'static str),
    /// The items of the receiver, or what is in the optional.
    Element,
    /// As the receiver.
    Receiver,
    /// Perhaps an item of the receiver.
    PerhapsElement,
    /// Perhaps what is given.
    PerhapsGiven,
    /// Texts to lists of texts.
    TextLists,
}

use Kind::{
    Any, Bool, Bytes, Double, Duration, Element, Int, Ints, List, Map, Object, Optional, PerhapsElement, PerhapsGiven,
    Receiver, Str, Strings, TextLists, Timestamp, TypeOf, Uint,
};

impl Kind {
    pub fn takes(self, given: &Type) -> bool {
        match (self, given) {
            (Any | Element | Receiver, _) | (_, Type::Dyn) => true,
            (List, Type::List(_)) | (Map, Type::Map(_) | Type::Struct(_)) | (Optional, Type::Optional(_)) => true,
            (wanted, given) => given.is(&wanted.result(&Type::Dyn)) && !matches!(wanted, List | Map | Optional),
        }
    }

    /// The type of a result, given the receiver's (or else the first argument's).
    pub fn result(self, receiver: &Type) -> Type {
        match self {
            Any => Type::Dyn,
            Bool => Type::Bool,
            Int => Type::Int,
            Uint => Type::Uint,
            Double => Type::Double,
            Str => Type::String,
            Bytes => Type::Bytes,
            Duration => Type::Duration,
            Timestamp => Type::Timestamp,
            TypeOf => Type::Type,
            List => Type::Dyn.list(),
            Strings => Type::String.list(),
            Ints => Type::Int.list(),
            Map => Type::Dyn.map(),
            Optional => Type::Dyn.optional(),
            Object(name) => Type::object(name),
            Receiver => receiver.clone(),
            PerhapsElement => Element.result(receiver).optional(),
            PerhapsGiven => receiver.clone().optional(),
            TextLists => Type::String.list().map(),
            Element => match receiver {
                Type::List(item) | Type::Optional(item) => (**item).clone(),
                _ => Type::Dyn,
            },
        }
    }
}

/// One way to call a function: its name, what it is called on (`None`: nothing), what it takes, what it gives.
pub(super) struct Function(pub &'static str, pub Option<Kind>, pub &'static [Kind], pub Kind);

const QUANTITY: Kind = Object("kubernetes.Quantity");
const URL: Kind = Object("kubernetes.URL");
const ADDRESS: Kind = Object("net.IP");
const RANGE: Kind = Object("net.CIDR");
const SEMVER: Kind = Object("kubernetes.Semver");
const FORMAT: Kind = Object("kubernetes.NamedFormat");
const AUTHORIZER: Kind = Object(AUTHORIZER_NAME);
const PATH_CHECK: Kind = Object("kubernetes.authorization.PathCheck");
const GROUP_CHECK: Kind = Object("kubernetes.authorization.GroupCheck");
const RESOURCE_CHECK: Kind = Object(RESOURCE_CHECK_NAME);
const DECISION: Kind = Object("kubernetes.authorization.Decision");

pub(super) const AUTHORIZER_NAME: &str = "kubernetes.authorization.Authorizer";
pub(super) const RESOURCE_CHECK_NAME: &str = "kubernetes.authorization.ResourceCheck";

/// Functions whose name has a dot.
pub(super) const NAMESPACES: [&str; 8] = ["cel", "format", "ip", "jsonpatch", "lists", "optional", "sets", "strings"];

const fn global(name: &'static str, takes: &'static [Kind], gives: Kind) -> Function {
    Function(name, None, takes, gives)
}

const fn method(on: Kind, name: &'static str, takes: &'static [Kind], gives: Kind) -> Function {
    Function(name, Some(on), takes, gives)
}

/// Every overload of every function.
pub(super) static FUNCTIONS: &[Function] = &[
    // conversions
    global("int", &[Any], Int),
    global("uint", &[Any], Uint),
    global("double", &[Any], Double),
    global("string", &[Any], Str),
    global("bytes", &[Any], Bytes),
    global("bool", &[Any], Bool),
    global("dyn", &[Any], Any),
    global("type", &[Any], TypeOf),
    global("duration", &[Any], Duration),
    global("timestamp", &[Any], Timestamp),
    // sizes and patterns
    global("size", &[Str], Int),
    global("size", &[Bytes], Int),
    global("size", &[List], Int),
    global("size", &[Map], Int),
    method(Str, "size", &[], Int),
    method(Bytes, "size", &[], Int),
    method(List, "size", &[], Int),
    method(Map, "size", &[], Int),
    global("matches", &[Str, Str], Bool),
    method(Str, "matches", &[Str], Bool),
    method(Str, "find", &[Str], Str),
    method(Str, "findAll", &[Str], Strings),
    method(Str, "findAll", &[Str, Int], Strings),
    // texts
    method(Str, "contains", &[Str], Bool),
    method(Str, "startsWith", &[Str], Bool),
    method(Str, "endsWith", &[Str], Bool),
    method(Str, "charAt", &[Int], Str),
    method(Str, "indexOf", &[Str], Int),
    method(Str, "indexOf", &[Str, Int], Int),
    method(Str, "lastIndexOf", &[Str], Int),
    method(Str, "lastIndexOf", &[Str, Int], Int),
    method(Str, "lowerAscii", &[], Str),
    method(Str, "upperAscii", &[], Str),
    method(Str, "trim", &[], Str),
    method(Str, "reverse", &[], Str),
    method(Str, "replace", &[Str, Str], Str),
    method(Str, "replace", &[Str, Str, Int], Str),
    method(Str, "split", &[Str], Strings),
    method(Str, "split", &[Str, Int], Strings),
    method(Str, "substring", &[Int], Str),
    method(Str, "substring", &[Int, Int], Str),
    method(Str, "format", &[List], Str),
    global("strings.quote", &[Str], Str),
    global("jsonpatch.escapeKey", &[Str], Str),
    // lists and sets
    global("lists.range", &[Int], Ints),
    method(List, "join", &[], Str),
    method(List, "join", &[Str], Str),
    method(List, "isSorted", &[], Bool),
    method(List, "sum", &[], Element),
    method(List, "min", &[], Element),
    method(List, "max", &[], Element),
    method(List, "indexOf", &[Any], Int),
    method(List, "lastIndexOf", &[Any], Int),
    method(List, "distinct", &[], Receiver),
    method(List, "reverse", &[], Receiver),
    method(List, "sort", &[], Receiver),
    method(List, "slice", &[Int, Int], Receiver),
    method(List, "flatten", &[], List),
    method(List, "flatten", &[Int], List),
    method(List, "first", &[], PerhapsElement),
    method(List, "last", &[], PerhapsElement),
    global("sets.contains", &[List, List], Bool),
    global("sets.equivalent", &[List, List], Bool),
    global("sets.intersects", &[List, List], Bool),
    // times
    method(Timestamp, "getFullYear", &[], Int),
    method(Timestamp, "getFullYear", &[Str], Int),
    method(Timestamp, "getMonth", &[], Int),
    method(Timestamp, "getMonth", &[Str], Int),
    method(Timestamp, "getDate", &[], Int),
    method(Timestamp, "getDate", &[Str], Int),
    method(Timestamp, "getDayOfMonth", &[], Int),
    method(Timestamp, "getDayOfMonth", &[Str], Int),
    method(Timestamp, "getDayOfWeek", &[], Int),
    method(Timestamp, "getDayOfWeek", &[Str], Int),
    method(Timestamp, "getDayOfYear", &[], Int),
    method(Timestamp, "getDayOfYear", &[Str], Int),
    method(Timestamp, "getHours", &[], Int),
    method(Timestamp, "getHours", &[Str], Int),
    method(Timestamp, "getMinutes", &[], Int),
    method(Timestamp, "getMinutes", &[Str], Int),
    method(Timestamp, "getSeconds", &[], Int),
    method(Timestamp, "getSeconds", &[Str], Int),
    method(Timestamp, "getMilliseconds", &[], Int),
    method(Timestamp, "getMilliseconds", &[Str], Int),
    method(Duration, "getHours", &[], Int),
    method(Duration, "getMinutes", &[], Int),
    method(Duration, "getSeconds", &[], Int),
    method(Duration, "getMilliseconds", &[], Int),
    // optional values
    global("optional.of", &[Any], PerhapsGiven),
    global("optional.ofNonZeroValue", &[Any], PerhapsGiven),
    global("optional.none", &[], Optional),
    method(Optional, "hasValue", &[], Bool),
    method(Optional, "value", &[], Element),
    method(Optional, "or", &[Optional], Receiver),
    method(Optional, "orValue", &[Any], Element),
    // URLs, quantities, addresses, versions, formats
    global("url", &[Str], URL),
    global("isURL", &[Str], Bool),
    method(URL, "getScheme", &[], Str),
    method(URL, "getHost", &[], Str),
    method(URL, "getHostname", &[], Str),
    method(URL, "getPort", &[], Str),
    method(URL, "getEscapedPath", &[], Str),
    method(URL, "getQuery", &[], TextLists),
    global("quantity", &[Str], QUANTITY),
    global("isQuantity", &[Str], Bool),
    global("sign", &[QUANTITY], Int),
    method(QUANTITY, "isInteger", &[], Bool),
    method(QUANTITY, "asInteger", &[], Int),
    method(QUANTITY, "asApproximateFloat", &[], Double),
    method(QUANTITY, "add", &[QUANTITY], QUANTITY),
    method(QUANTITY, "add", &[Int], QUANTITY),
    method(QUANTITY, "sub", &[QUANTITY], QUANTITY),
    method(QUANTITY, "sub", &[Int], QUANTITY),
    method(QUANTITY, "isGreaterThan", &[QUANTITY], Bool),
    method(QUANTITY, "isLessThan", &[QUANTITY], Bool),
    method(QUANTITY, "compareTo", &[QUANTITY], Int),
    global("ip", &[Str], ADDRESS),
    global("isIP", &[Str], Bool),
    global("ip.isCanonical", &[Str], Bool),
    method(ADDRESS, "family", &[], Int),
    method(ADDRESS, "isUnspecified", &[], Bool),
    method(ADDRESS, "isLoopback", &[], Bool),
    method(ADDRESS, "isLinkLocalMulticast", &[], Bool),
    method(ADDRESS, "isLinkLocalUnicast", &[], Bool),
    method(ADDRESS, "isGlobalUnicast", &[], Bool),
    global("cidr", &[Str], RANGE),
    global("isCIDR", &[Str], Bool),
    method(RANGE, "containsIP", &[ADDRESS], Bool),
    method(RANGE, "containsIP", &[Str], Bool),
    method(RANGE, "containsCIDR", &[RANGE], Bool),
    method(RANGE, "containsCIDR", &[Str], Bool),
    method(RANGE, "ip", &[], ADDRESS),
    method(RANGE, "masked", &[], RANGE),
    method(RANGE, "prefixLength", &[], Int),
    global("semver", &[Str], SEMVER),
    global("semver", &[Str, Bool], SEMVER),
    global("isSemver", &[Str], Bool),
    global("isSemver", &[Str, Bool], Bool),
    method(SEMVER, "major", &[], Int),
    method(SEMVER, "minor", &[], Int),
    method(SEMVER, "patch", &[], Int),
    method(SEMVER, "isGreaterThan", &[SEMVER], Bool),
    method(SEMVER, "isLessThan", &[SEMVER], Bool),
    method(SEMVER, "compareTo", &[SEMVER], Int),
    global("format.named", &[Str], Optional),
    global("format.dns1123Label", &[], FORMAT),
    global("format.dns1123Subdomain", &[], FORMAT),
    global("format.dns1035Label", &[], FORMAT),
    global("format.qualifiedName", &[], FORMAT),
    global("format.dns1123LabelPrefix", &[], FORMAT),
    global("format.dns1123SubdomainPrefix", &[], FORMAT),
    global("format.dns1035LabelPrefix", &[], FORMAT),
    global("format.labelValue", &[], FORMAT),
    global("format.uri", &[], FORMAT),
    global("format.uuid", &[], FORMAT),
    global("format.byte", &[], FORMAT),
    global("format.date", &[], FORMAT),
    global("format.datetime", &[], FORMAT),
    method(FORMAT, "validate", &[Str], Optional),
    // access
    method(AUTHORIZER, "path", &[Str], PATH_CHECK),
    method(AUTHORIZER, "group", &[Str], GROUP_CHECK),
    method(AUTHORIZER, "serviceAccount", &[Str, Str], AUTHORIZER),
    method(GROUP_CHECK, "resource", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "subresource", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "namespace", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "name", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "fieldSelector", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "labelSelector", &[Str], RESOURCE_CHECK),
    method(RESOURCE_CHECK, "check", &[Str], DECISION),
    method(PATH_CHECK, "check", &[Str], DECISION),
    method(DECISION, "allowed", &[], Bool),
    method(DECISION, "reason", &[], Str),
    method(DECISION, "errored", &[], Bool),
    method(DECISION, "error", &[], Str),
];
