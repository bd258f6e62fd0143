//! The objects of HSDS 3.2 as Kith writes them, each with an object `kith` for what the standard has no field for.
//!
//! What is absent is not known: [`shown`] leaves such properties out, as the standard asks. The types are the source of our profile and
//! of the merged schemas too; see [`profile`](super::profile).

mod organization;
mod parts;
mod places;
mod service;
mod terms;

use serde::Serialize;
use serde_json::Value;

pub use self::organization::*;
pub use self::parts::*;
pub use self::places::*;
pub use self::service::*;
pub use self::terms::*;
use crate::http::json::whole;

/// The version of the standard.
pub const VERSION: &str = "3.2";
/// The version of our profile.
pub const PROFILE_VERSION: &str = "1.0";

/// An object without what is not known of it. What a source says in its own words is left as it is, its members in order.
pub fn shown(object: &impl Serialize) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_default();
    prune(&mut value);
    value
}

/// True where the object says something. Whole numbers are written without a fraction, as what is read of others is.
fn prune(value: &mut Value) -> bool {
    match value {
        Value::Null => false,
        Value::Number(number) => {
            if let Some(whole) = number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
                *number = whole.into();
            }
            true
        }
        Value::Object(members) => {
            members.retain(|name, member| {
                if name == "source_fields" {
                    member.sort_all_objects();
                    return member.as_object().is_some_and(|fields| !fields.is_empty());
                }
                prune(member)
            });
            !members.is_empty()
        }
        Value::Array(items) => {
            items.iter_mut().for_each(|item| {
                prune(item);
            });
            !items.is_empty()
        }
        _ => true,
    }
}
