//! Changes of an object that leave its bytes alone, and its end.

use super::failure::Failure;
use super::metadata::Described;
use super::route::Named;
use super::wire::Answer;
use super::{Inside, conditions, read};
use crate::world::{Conditions, Deleted, Which, WorldError};
use serde_json::{Map, Value};

/// `storage.objects.patch`.
pub(super) async fn patch(inside: &mut Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    let resource = inside.call.json().await?;
    change(inside, named, |described| described.merge(&resource))
}

/// `storage.objects.update`.
pub(super) async fn update(inside: &mut Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    let resource: Map<String, Value> = inside.call.json().await?;
    change(inside, named, |described| described.replace(&resource))
}

fn change(inside: &Inside<'_>, named: &Named, change: impl Fn(&mut Described) -> Result<(), Failure>) -> Result<Answer, Failure> {
    let which = conditions::which(&inside.call.query, "generation")?;
    let conditions = inside.passage.conditions(conditions::from_query(&inside.call.query)?);
    // A change that is refused must not count as one, so it is tried on a copy first.
    change(&mut Described::of(&*read::get(inside, named, which, &Conditions::NONE)?))?;
    let changed = inside.world().update(&named.bucket, &named.key, which, &conditions, |object| {
        let mut described = Described::of(object);
        if change(&mut described).is_ok() {
            described.apply(object);
        }
    });
    let object = changed.map_err(Inside::absent(&named.bucket, &named.key))?;
    inside.resource(&named.bucket, &named.key, &object)
}

/// `storage.objects.delete`.
pub(super) fn delete(inside: &Inside<'_>, named: &Named) -> Result<Answer, Failure> {
    let which = conditions::which(&inside.call.query, "generation")?;
    let conditions = conditions::from_query(&inside.call.query)?;
    remove(inside, named, which, conditions)?;
    Ok(Answer::empty(204))
}

/// Deletes what is there; absence is told before a failed condition is.
pub(super) fn remove(inside: &Inside<'_>, named: &Named, which: Which, conditions: Conditions) -> Result<(), Failure> {
    let conditions = inside.passage.conditions(conditions);
    read::get(inside, named, which, &Conditions::NONE)?;
    match inside.world().delete(&named.bucket, &named.key, which, &conditions) {
        Ok(Deleted::Absent) => Err(Inside::absent(&named.bucket, &named.key)(WorldError::NoSuchKey)),
        Ok(Deleted::Removed { .. } | Deleted::MarkerAdded(_)) => Ok(()),
        Err(error) => Err(Inside::absent(&named.bucket, &named.key)(error)),
    }
}
