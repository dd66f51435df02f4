//! Content negotiation: what form and encoding an answer takes.

use gantry_meta::{Reason, Status};

/// How bytes are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Encoding {
    #[default]
    Json,
    Yaml,
    /// Objects, lists, errors, watches and metadata alone of built-in kinds, and discovery; no tables and no other documents.
    Protobuf,
}

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const TYPES: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
const STREAM_TYPES: &str = "application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch";
/// More than any client names.
const INSERTED_MAX: usize = 64;

impl Encoding {
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => PROTOBUF,
        }
    }
}

/// What is written: the object itself, or a view of it (`as=` in the Accept header).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Form {
    #[default]
    Object,
    Table(ViewVersion),
    PartialObjectMetadata(ViewVersion),
    PartialObjectMetadataList(ViewVersion),
}

/// The version of `meta.k8s.io` that a view is written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewVersion {
    V1,
    V1Beta1,
}

impl ViewVersion {
    pub fn api_version(self) -> &'static str {
        match self {
            Self::V1 => "meta.k8s.io/v1",
            Self::V1Beta1 => "meta.k8s.io/v1beta1",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Accepted {
    pub encoding: Encoding,
    pub form: Form,
    /// Indented, by `pretty=1`.
    pub pretty: bool,
}

/// Which types and `as=` forms an answer can take.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Offer {
    /// A document that is no object (version, keys), in the one type it is served as.
    Document(&'static str),
    /// Only the thing itself, in the legacy form of discovery.
    Discovery,
    /// As [`Offer::Discovery`], where half a wildcard is taken as well.
    Groups,
    One,
    /// One object of a kind that has no tables.
    Untabled,
    Many,
    /// Events carry single objects, but informers name the list form too.
    Watch,
    /// A Status, which has no other form.
    Error,
}

impl Offer {
    fn has_forms(self) -> bool {
        matches!(self, Self::One | Self::Untabled | Self::Many | Self::Watch)
    }

    /// What the header has to name, or a full wildcard, before anything else is looked at. `None`: nothing.
    fn routed_types(self) -> Option<&'static str> {
        match self {
            Self::Document(media_type) => Some(media_type),
            Self::Groups | Self::Error => None,
            _ => Some(TYPES),
        }
    }
}

/// Chooses by the header's qualities; a tie goes to the first. No header, or an empty one, takes JSON.
pub fn negotiate(header: Option<&str>, offer: Offer) -> Result<Accepted, Status> {
    let Some(header) = header.filter(|h| !h.trim().is_empty()) else { return Ok(Accepted::default()) };
    let is_plain = header == "application/json" && !matches!(offer, Offer::Document(_));
    if is_plain || header == "*/*" {
        return Ok(Accepted::default());
    }
    if let Some(types) = offer.routed_types().filter(|types| !names_one_of(header, types)) {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {types}");
        return Err(Status::failure(Reason::NotAcceptable, message).with_empty_details());
    }
    if matches!(offer, Offer::Document(_)) {
        return Ok(Accepted::default());
    }
    let accepted = clauses(header).iter().find_map(|clause| clause.accepted(offer)).ok_or_else(|| {
        let types = if offer == Offer::Watch { STREAM_TYPES } else { TYPES };
        Status::failure(Reason::NotAcceptable, format!("only the following media types are accepted: {types}"))
    })?;
    fits(accepted, offer)
}

/// Metadata of one object is no list, and the other way round: who asks for the wrong one gets nothing else instead.
fn fits(accepted: Accepted, offer: Offer) -> Result<Accepted, Status> {
    let message = match (accepted.form, offer) {
        (Form::PartialObjectMetadata(_), Offer::Many) => {
            "you requested PartialObjectMetadata, but the requested object is a list"
        }
        (Form::PartialObjectMetadataList(_), Offer::One | Offer::Untabled) => {
            "you requested PartialObjectMetadataList, but the requested object is not a list"
        }
        _ => return Ok(accepted),
    };
    Err(Status::failure(Reason::NotAcceptable, message))
}

/// True if the header has one of the types, whatever its parameters, or takes any.
fn names_one_of(header: &str, types: &str) -> bool {
    let mut named = header.split(',').map(|part| part.split(';').next().unwrap_or_default().trim_matches(' '));
    named.any(|named| named == "*/*" || types.split(", ").any(|media_type| media_type == named))
}

/// How an error's body is written: as the first that is taken without a form, else as indented JSON.
pub fn negotiate_error(header: Option<&str>) -> Accepted {
    negotiate(header, Offer::Error).unwrap_or(Accepted { pretty: true, ..Accepted::default() })
}

/// The encoding of aggregated discovery (`apidiscovery.k8s.io/v2`), if the client takes that at all: it comes before the
/// legacy form, whatever the qualities.
pub fn aggregated_discovery(header: Option<&str>) -> Option<Encoding> {
    let clauses = clauses(header.unwrap_or_default());
    clauses.iter().find(|clause| clause.is_aggregated_discovery())?.encodings().next()
}

/// What the header names, best first: by quality, but a wildcard gives way to what is named in full after it. That is no order
/// of all clauses, so that they are inserted one by one, which takes a time that grows with the square of their number.
fn clauses(header: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = header.split(',').filter_map(Clause::parse).collect();
    if clauses.len() > INSERTED_MAX {
        clauses.sort_by(|a, b| b.quality.total_cmp(&a.quality).then(a.is_wildcard().cmp(&b.is_wildcard())));
        return clauses;
    }
    for sorted in 1..clauses.len() {
        for at in (1..=sorted).rev() {
            if !clauses[at].comes_before(&clauses[at - 1]) {
                break;
            }
            clauses.swap(at, at - 1);
        }
    }
    clauses
}

/// One of the header's alternatives. Parameters without a value count as absent.
#[derive(Default)]
struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    quality: f32,
    form: &'a str,
    version: &'a str,
    group: &'a str,
    stream: &'a str,
    server_version: &'a str,
    pretty: bool,
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';');
        let (kind, subtype) = match parts.next()?.trim_matches(' ').split_once('/') {
            Some((kind, subtype)) if !subtype.is_empty() => (kind, subtype),
            _ if text.trim_start_matches(' ').starts_with('*') => ("*", "*"),
            _ => return None,
        };
        let mut clause =
            Self { kind: kind.trim_matches(' '), subtype: subtype.trim_matches(' '), quality: 1.0, ..Self::default() };
        for (name, value) in parts.filter_map(|p| p.split_once('=')).filter(|(_, v)| !v.is_empty() && !v.contains('='))
        {
            let trimmed = value.trim_matches(' ');
            match name.trim_matches(' ') {
                "q" => clause.quality = value.parse().unwrap_or(0.0),
                "as" => clause.form = trimmed,
                "v" => clause.version = trimmed,
                "g" => clause.group = trimmed,
                "stream" => clause.stream = trimmed,
                "sv" => clause.server_version = trimmed,
                "pretty" => clause.pretty = trimmed == "1",
                _ => {}
            }
        }
        Some(clause)
    }

    fn comes_before(&self, other: &Self) -> bool {
        self.quality > other.quality || (!self.is_wildcard() && other.is_wildcard())
    }

    fn is_wildcard(&self) -> bool {
        self.subtype == "*"
    }

    /// Those the clause takes, best first.
    fn encodings(&self) -> impl Iterator<Item = Encoding> {
        [Encoding::Json, Encoding::Yaml, Encoding::Protobuf].into_iter().filter(|encoding| {
            let (kind, subtype) = encoding.content_type().split_once('/').expect("a media type has two parts");
            match (self.kind, self.subtype) {
                ("*", "*") => true,
                (named, "*") => named == kind,
                (named, of) => (named, of) == (kind, subtype),
            }
        })
    }

    fn is_aggregated_discovery(&self) -> bool {
        self.encodings().next().is_some()
            && (self.form, self.version, self.group) == ("APIGroupDiscoveryList", "v2", "apidiscovery.k8s.io")
    }

    fn accepted(&self, offer: Offer) -> Option<Accepted> {
        self.encodings().find_map(|encoding| {
            let streams = self.stream.is_empty() || (self.stream == "watch" && encoding != Encoding::Yaml);
            let of_version = self.server_version.is_empty() || (offer.has_forms() && self.server_version == "v1");
            (streams && of_version).then_some(())?;
            Some(Accepted { encoding, form: self.form(encoding, offer)?, pretty: self.pretty })
        })
    }

    fn form(&self, encoding: Encoding, offer: Offer) -> Option<Form> {
        if [self.form, self.version, self.group].iter().all(|part| part.is_empty()) {
            return Some(Form::Object);
        }
        let version = match (self.group, self.version) {
            ("meta.k8s.io", "v1") => ViewVersion::V1,
            ("meta.k8s.io", "v1beta1") => ViewVersion::V1Beta1,
            _ => return None,
        };
        match self.form {
            _ if !offer.has_forms() => None,
            // Cells may be of any type, for which protobuf has no form.
            "Table" => (encoding != Encoding::Protobuf && offer != Offer::Untabled).then_some(Form::Table(version)),
            "PartialObjectMetadata" => Some(Form::PartialObjectMetadata(version)),
            "PartialObjectMetadataList" => Some(Form::PartialObjectMetadataList(version)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(header: &str) -> Option<Encoding> {
        negotiate(Some(header), Offer::One).ok().map(|a| a.encoding)
    }

    #[test]
    fn what_has_no_tables_is_not_acceptable_as_one() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
        assert!(negotiate(Some(table), Offer::One).is_ok());
        assert_eq!(negotiate(Some(table), Offer::Untabled).map_err(|status| status.code), Err(406));
        assert!(negotiate(Some("application/json;stream=watch"), Offer::Watch).is_ok());
        assert_eq!(negotiate(Some("application/json;stream=x"), Offer::Watch).map_err(|status| status.code), Err(406));
        let either = format!("{table},application/json");
        assert_eq!(negotiate(Some(&either), Offer::Untabled), Ok(Accepted::default()));
    }

    #[test]
    fn the_highest_quality_wins_and_half_a_wildcard_is_not_acceptable() {
        assert_eq!(encoding("application/json;q=0.5, application/yaml;q=0.9"), Some(Encoding::Yaml));
        assert_eq!(encoding("application/yaml;q=0.1, */*;q=0.1"), Some(Encoding::Yaml));
        assert_eq!(encoding("*/*;q=0.9, application/yaml;q=0.1"), Some(Encoding::Yaml));
        assert_eq!(encoding("application/yaml;q=0.1, */*;q=0.9"), Some(Encoding::Json));
        assert_eq!(encoding("application/bogus, application/json"), Some(Encoding::Json));
        assert_eq!(encoding("text/html, application/*;q=0.2"), None);
    }

    #[test]
    fn a_header_of_very_many_types_is_ordered_too() {
        let bogus = "text/x;q=0.9,".repeat(INSERTED_MAX);
        assert_eq!(encoding(&format!("{bogus}application/json;q=0.1,application/yaml;q=0.8")), Some(Encoding::Yaml));
        assert_eq!(encoding(&format!("{bogus}*/*;q=0.8,application/yaml;q=0.8")), Some(Encoding::Yaml));
    }

    #[test]
    fn protobuf_is_given_for_objects_metadata_and_discovery_and_passed_over_for_tables_and_documents() {
        let both = "application/vnd.kubernetes.protobuf, application/json";
        assert_eq!(encoding(both), Some(Encoding::Protobuf));
        assert_eq!(negotiate(Some(both), Offer::Document("application/json")).unwrap().encoding, Encoding::Json);
        assert_eq!(negotiate(Some(both), Offer::Discovery).unwrap().encoding, Encoding::Protobuf);
        let partial = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
        assert_eq!(encoding(partial), Some(Encoding::Protobuf));
        let table = "application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io, application/json";
        assert_eq!(encoding(table), Some(Encoding::Json));
    }

    #[test]
    fn an_error_takes_no_form_and_is_json_where_nothing_else_is_asked_for() {
        let table = "application/yaml;as=Table;v=v1;g=meta.k8s.io";
        let indented = Accepted { pretty: true, ..Accepted::default() };
        assert_eq!(negotiate_error(Some(table)), indented);
        assert_eq!(negotiate_error(Some(&format!("{table}, application/yaml"))).encoding, Encoding::Yaml);
        assert_eq!(negotiate_error(Some("application/vnd.kubernetes.protobuf")).encoding, Encoding::Protobuf);
        assert_eq!(negotiate_error(Some("text/html, application/*")), Accepted::default());
    }

    #[test]
    fn views_are_offered_where_they_fit_and_the_wrong_one_is_not_replaced() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(negotiate(Some(table), Offer::Many).unwrap().form, Form::Table(ViewVersion::V1));
        assert_eq!(negotiate(Some(table), Offer::Discovery).unwrap().form, Form::Object);
        let one = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io,application/json";
        assert!(negotiate(Some(one), Offer::One).is_ok());
        assert_eq!(negotiate(Some(one), Offer::Many).unwrap_err().code, 406);
        assert_eq!(negotiate(Some(&one.replace("Metadata;", "MetadataList;")), Offer::One).unwrap_err().code, 406);
    }

    #[test]
    fn a_group_a_version_or_a_server_version_that_nothing_is_in_is_passed_over() {
        for header in ["application/json;v=v1", "application/json;g=apps", "application/json;sv=v2", "text/html"] {
            assert_eq!(negotiate(Some(header), Offer::One).map_err(|status| status.code), Err(406), "{header}");
        }
        assert_eq!(encoding("application/json;sv=v1"), Some(Encoding::Json));
        assert_eq!(encoding("application/json;as="), Some(Encoding::Json));
        assert_eq!(encoding("application/json;q=x, application/yaml;q=0.1"), Some(Encoding::Yaml));
        assert!(negotiate(Some("application/json;pretty=1"), Offer::One).unwrap().pretty);
    }

    #[test]
    fn a_refusal_has_empty_details_only_when_no_known_type_was_named() {
        let details = |header, offer| negotiate(Some(header), offer).unwrap_err().details.is_some();
        assert!(details("text/html", Offer::Many));
        assert!(details("application/*", Offer::Discovery));
        assert!(!details("application/json;as=Bogus;v=v1;g=meta.k8s.io", Offer::Many));
        assert!(!details("text/html", Offer::Groups));
        assert!(details("application/json", Offer::Document("application/jwk-set+json")));
        assert!(negotiate(Some("application/*"), Offer::Groups).is_ok());
        assert!(negotiate(Some("application/json;as=X;v=v1;g=y"), Offer::Document("application/json")).is_ok());
    }

    #[test]
    fn yaml_is_no_stream() {
        let refused = negotiate(Some("application/yaml;stream=watch"), Offer::Watch).unwrap_err();
        assert_eq!((refused.code, refused.message.contains(STREAM_TYPES)), (406, true));
    }

    #[test]
    fn aggregated_discovery_is_given_in_version_two_alone_and_in_each_encoding() {
        let v2 = "application/json;v=v2;g=apidiscovery.k8s.io;as=APIGroupDiscoveryList,application/json";
        assert_eq!(aggregated_discovery(Some(v2)), Some(Encoding::Json));
        assert_eq!(aggregated_discovery(Some(&v2.replace("v=v2", "v=v2beta1"))), None);
        assert_eq!(aggregated_discovery(Some("application/json")), None);
        let protobuf = "application/json;q=0.5,application/vnd.kubernetes.protobuf;as=APIGroupDiscoveryList;v=v2;\
                        g=apidiscovery.k8s.io";
        assert_eq!(aggregated_discovery(Some(protobuf)), Some(Encoding::Protobuf));
        let legacy_first = format!("application/vnd.kubernetes.protobuf,{v2};q=0.1");
        assert_eq!(aggregated_discovery(Some(&legacy_first)), Some(Encoding::Json));
    }
}
