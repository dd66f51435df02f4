//! PriorityClass, RuntimeClass, StorageClass.

pub mod priority_class {
    use gantry_kinds::fields::{meta_v1::ObjectMeta, scheduling_v1::PriorityClass};

    use crate::{
        field::{Causes, Root},
        table::Update,
    };

    /// Larger values are the system's.
    const VALUE_MAX: i64 = 1_000_000_000;
    const SYSTEM: [(&str, i64); 2] =
        [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)];

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let value = object.member(PriorityClass::VALUE);
        let known = SYSTEM.iter().any(|(name, known)| *name == object.name() && value.int() == Some(*known));
        if object.name().starts_with("system-") {
            if !known {
                let why = "priority class names with 'system-' prefix are reserved for system use only";
                causes.forbidden(&object.member(PriorityClass::METADATA).member(ObjectMeta::NAME), why);
            }
        } else if value.int().is_some_and(|value| value > VALUE_MAX) {
            causes.forbidden(&value, "maximum allowed value of a user defined priority is 1000000000");
        }
        let policy = object.member(PriorityClass::PREEMPTION_POLICY);
        if policy.is_set() {
            causes.require_one_of(&policy, &["Never", "PreemptLowerPriority"]);
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        let value = update.new.member(PriorityClass::VALUE);
        if value.value() != update.old.member(PriorityClass::VALUE).value() {
            causes.forbidden(&value, "may not be changed in an update");
        }
        causes.immutable(
            &update.new.member(PriorityClass::PREEMPTION_POLICY),
            &update.old.member(PriorityClass::PREEMPTION_POLICY),
        );
    }
}

pub mod runtime_class {
    use gantry_kinds::{
        FieldName,
        fields::{
            core_v1::Toleration,
            node_v1::{Overhead, RuntimeClass, Scheduling},
        },
    };

    use crate::{
        field::{Causes, Field, Root},
        kinds::pod,
        metadata, names,
        table::Update,
    };

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        let handler = object.member(RuntimeClass::HANDLER);
        if causes.require(&handler) {
            causes.invalid_each(&handler, names::dns_label(handler.text()));
        }
        // The reference reports the amounts without `podFixed`.
        let overhead = object.member(RuntimeClass::OVERHEAD);
        pod::overhead(&overhead.member(Overhead::POD_FIXED).reported_at(&overhead), causes);
        let scheduling = object.member(RuntimeClass::SCHEDULING);
        metadata::labels(&scheduling.member(Scheduling::NODE_SELECTOR), causes);
        tolerations(&scheduling.member(Scheduling::TOLERATIONS), causes);
    }

    fn tolerations(tolerations: &Field<'_>, causes: &mut Causes) {
        pod::tolerations(tolerations, causes);
        const KEY: [FieldName; 4] = [Toleration::KEY, Toleration::OPERATOR, Toleration::VALUE, Toleration::EFFECT];
        let key = |one: &Field<'_>| KEY.map(|member| one.member(member).text().to_owned());
        let mut seen: Vec<[String; 4]> = Vec::new();
        for one in tolerations.items() {
            if seen.contains(&key(&one)) {
                causes.duplicate(&one);
            }
            seen.push(key(&one));
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        causes.immutable(&update.new.member(RuntimeClass::HANDLER), &update.old.member(RuntimeClass::HANDLER));
    }
}

pub mod storage_class {
    use std::collections::{BTreeMap, BTreeSet};

    use gantry_kinds::fields::{
        core_v1::{TopologySelectorLabelRequirement, TopologySelectorTerm},
        storage_v1::StorageClass,
    };

    use crate::{
        field::{Causes, Field, Root},
        names,
        table::Update,
    };

    const PARAMETERS_MAX: usize = 512;
    const PARAMETERS_MAX_BYTES: usize = 256 * 1024;

    pub fn create(object: Root<'_>, causes: &mut Causes) {
        provisioner(&object.member(StorageClass::PROVISIONER), causes);
        parameters(&object.member(StorageClass::PARAMETERS), causes);
        let (reclaim, binding) =
            (object.member(StorageClass::RECLAIM_POLICY), object.member(StorageClass::VOLUME_BINDING_MODE));
        if !reclaim.is_empty() {
            causes.one_of(&reclaim, &["Delete", "Retain"]);
        }
        match binding.is_set() {
            true => causes.one_of(&binding, &["Immediate", "WaitForFirstConsumer"]),
            false => causes.required(&binding),
        }
        topologies(&object.member(StorageClass::ALLOWED_TOPOLOGIES), causes);
    }

    /// A qualified name, in whichever case.
    pub fn provisioner(provisioner: &Field<'_>, causes: &mut Causes) {
        if causes.require(provisioner) {
            causes.invalid_each(provisioner, names::qualified_name(&provisioner.text().to_lowercase()));
        }
    }

    /// The values of each key of a term.
    type Term<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

    /// Terms of which each says something, and something else than the others.
    fn topologies(terms: &Field<'_>, causes: &mut Causes) {
        let mut seen: Vec<Term<'_>> = Vec::new();
        for term in terms.items() {
            let expressions = term.member(TopologySelectorTerm::MATCH_LABEL_EXPRESSIONS);
            let own = self::term(&expressions, causes);
            // One cause for each other that says the same. One that says nothing counts as if each had been said before.
            let nothing = if own.is_empty() { terms.len() } else { 0 };
            let same = nothing + seen.iter().filter(|other| **other == own).count();
            (0..same).for_each(|_| causes.duplicate(&expressions.nothing()));
            seen.push(own);
        }
    }

    fn term<'a>(expressions: &Field<'a>, causes: &mut Causes) -> Term<'a> {
        let mut term = Term::new();
        for expression in expressions.items() {
            let (key, values) = (
                expression.member(TopologySelectorLabelRequirement::KEY),
                expression.member(TopologySelectorLabelRequirement::VALUES),
            );
            causes.require(&values);
            let mut seen = BTreeSet::new();
            for value in values.items() {
                if !seen.insert(value.text()) {
                    causes.duplicate(&value);
                }
            }
            causes.invalid_each(&key, names::qualified_name(key.text()));
            if term.insert(key.text(), seen).is_some() {
                causes.duplicate(&key);
            }
        }
        term
    }

    pub fn parameters(parameters: &Field<'_>, causes: &mut Causes) {
        if parameters.len() > PARAMETERS_MAX {
            return causes.too_long(parameters, PARAMETERS_MAX);
        }
        let mut bytes = 0;
        for (key, value) in parameters.entries() {
            if key.is_empty() {
                causes.invalid(parameters, "field can not be empty");
            }
            bytes += key.len() + value.text().len();
        }
        if bytes > PARAMETERS_MAX_BYTES {
            causes.too_long(parameters, PARAMETERS_MAX_BYTES);
        }
    }

    pub fn update(update: Update<'_>, causes: &mut Causes) {
        update.as_created(create, causes);
        for member in [
            StorageClass::PARAMETERS,
            StorageClass::PROVISIONER,
            StorageClass::RECLAIM_POLICY,
            StorageClass::VOLUME_BINDING_MODE,
        ] {
            causes.immutable(&update.new.member(member), &update.old.member(member));
        }
    }
}
