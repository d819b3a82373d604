//! JSON Schema as far as our schemas use it. What a schema says that is not checked here is an
//! error, so that none promises more than tests hold.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// Places of properties in a schema, for instance `call.args`.
pub(crate) type Properties = BTreeSet<String>;

/// A schema and the properties that values had so far.
pub(crate) struct Schema {
    root: Value,
    pub(crate) seen: Properties,
}

/// Keywords that say nothing about values.
const REMARKS: [&str; 5] = ["$schema", "$id", "$defs", "title", "description"];

impl Schema {
    pub(crate) fn new(text: &str) -> Self {
        Self {
            root: serde_json::from_str(text).expect("a schema is JSON"),
            seen: Properties::new(),
        }
    }

    /// Checks a value against the whole schema.
    pub(crate) fn check(&mut self, value: &Value) -> Result<(), String> {
        let mut seen = Properties::new();
        self.value(&self.root, "", value, &mut seen)?;
        self.seen.extend(seen);
        Ok(())
    }

    /// All properties that the schema names.
    pub(crate) fn properties(&self) -> Properties {
        let mut found = Properties::new();
        let definitions = self.root["$defs"].as_object().expect("definitions");
        for (name, schema) in definitions {
            collect(schema, name, &mut found);
        }
        found
    }

    fn value(
        &self,
        schema: &Value,
        at: &str,
        value: &Value,
        seen: &mut Properties,
    ) -> Result<(), String> {
        let keywords = schema.as_object().expect("a schema is an object");
        for (keyword, said) in keywords {
            self.keyword((keyword, said), keywords, at, value, seen)
                .map_err(|e| match e.starts_with("at ") {
                    true => e,
                    false => format!("at {at}: {e}: {value}"),
                })?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        (keyword, said): (&str, &Value),
        all: &Map<String, Value>,
        at: &str,
        value: &Value,
        seen: &mut Properties,
    ) -> Result<(), String> {
        let holds = match keyword {
            "$ref" => return self.reference(said, value, seen),
            "oneOf" => return self.one_of(said, at, value, seen),
            "properties" => return self.members(said, at, value, seen),
            "additionalProperties" => return self.further(said, all, at, value, seen),
            "items" => {
                let items = value.as_array().into_iter().flatten();
                return items
                    .into_iter()
                    .try_for_each(|v| self.value(said, at, v, seen));
            }
            "type" => names(said).any(|name| is_of_type(value, name)),
            "const" => value == said,
            "enum" => said.as_array().expect("a list").contains(value),
            "minimum" => value
                .as_f64()
                .is_none_or(|v| v >= said.as_f64().expect("a number")),
            "required" => names(said).all(|name| value.get(name).is_some() || !value.is_object()),
            other if REMARKS.contains(&other) => true,
            other => panic!("{other} is not checked"),
        };
        match holds {
            true => Ok(()),
            false => Err(format!("{keyword} {said}")),
        }
    }

    fn reference(&self, to: &Value, value: &Value, seen: &mut Properties) -> Result<(), String> {
        let name = to.as_str().and_then(|to| to.strip_prefix("#/$defs/"));
        let name = name.unwrap_or_else(|| panic!("a definition, not {to}"));
        self.value(&self.root["$defs"][name], name, value, seen)
    }

    fn one_of(
        &self,
        schemas: &Value,
        at: &str,
        value: &Value,
        seen: &mut Properties,
    ) -> Result<(), String> {
        let mut errors = Vec::new();
        let mut fits = 0;
        for schema in schemas.as_array().expect("a list") {
            let mut seen_here = Properties::new();
            match self.value(schema, at, value, &mut seen_here) {
                Ok(()) => {
                    fits += 1;
                    seen.extend(seen_here);
                }
                Err(error) => errors.push(error),
            }
        }
        match fits {
            1 => Ok(()),
            0 => Err(errors.join("\n")),
            _ => Err(format!("{fits} of oneOf fit")),
        }
    }

    fn members(
        &self,
        schemas: &Value,
        at: &str,
        value: &Value,
        seen: &mut Properties,
    ) -> Result<(), String> {
        for (name, schema) in schemas.as_object().expect("an object") {
            if let Some(member) = value.get(name) {
                let at = format!("{at}.{name}");
                self.value(schema, &at, member, seen)?;
                seen.insert(at);
            }
        }
        Ok(())
    }

    fn further(
        &self,
        schema: &Value,
        all: &Map<String, Value>,
        at: &str,
        value: &Value,
        seen: &mut Properties,
    ) -> Result<(), String> {
        let is_named = |name: &String| all.get("properties").is_some_and(|p| p.get(name).is_some());
        for (name, member) in value.as_object().into_iter().flatten() {
            match schema {
                _ if is_named(name) => {}
                Value::Bool(false) => return Err(format!("{name} is not in the schema")),
                schema => self.value(schema, at, member, seen)?,
            }
        }
        Ok(())
    }
}

fn names(said: &Value) -> impl Iterator<Item = &str> {
    let list = said
        .as_array()
        .map_or(std::slice::from_ref(said), Vec::as_slice);
    list.iter().map(|name| name.as_str().expect("a name"))
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("no type {other}"),
    }
}

fn collect(schema: &Value, at: &str, found: &mut Properties) {
    if let Some(schema) = schema.get("items") {
        collect(schema, at, found);
    }
    for (name, schema) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        let at = format!("{at}.{name}");
        collect(schema, &at, found);
        found.insert(at);
    }
}
