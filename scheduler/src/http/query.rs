//! The part of an address behind `?`: named parameters, and the pages of lists.

use super::envelope::Refusal;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use std::str::FromStr;
use txid_shared::api::{ApiError, ErrorCode};
use txid_shared::store::Page;
use utoipa::ToSchema;

const USUAL_LIMIT: i64 = 20;
const LARGEST_LIMIT: i64 = 100;
/// Of a page: each asks the object store for what it is sealed under.
const SHOWN_AT_ONCE: usize = 16;
const PAGE_PARAMETERS: [&str; 3] = ["limit", "starting_after", "ending_before"];

/// In the order given.
pub(super) struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(given) = query
            .map_err(|_| ApiError::new(ErrorCode::InvalidRequest, "what stands behind `?` cannot be read"))?;
        Ok(Self(given))
    }
}

impl Parameters {
    /// The only value of a parameter. An empty one is refused: it would silently admit everything.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, ApiError> {
        let mut values = self.0.iter().filter(|(given, _)| given == name).map(|(_, value)| value.as_str());
        let value = values.next();
        if values.next().is_some() {
            return Err(ApiError::invalid(name, format!("`{name}` is given several times")));
        }
        if value.is_some_and(str::is_empty) {
            return Err(ApiError::invalid(name, format!("`{name}` is empty: leave it out")));
        }
        Ok(value)
    }

    pub(super) fn parsed<T: FromStr>(&self, name: &str, wanted: &str) -> Result<Option<T>, ApiError> {
        let refused = |_| ApiError::invalid(name, format!("`{name}` must be {wanted}"));
        self.text(name)?.map(|value| value.parse().map_err(refused)).transpose()
    }

    /// `metadata[key]=value`: key and value of each.
    pub(super) fn members(&self, name: &str) -> Vec<(String, String)> {
        let key =
            |given: &str| given.strip_prefix(name)?.strip_prefix('[')?.strip_suffix(']').map(str::to_owned);
        self.0.iter().filter_map(|(given, value)| Some((key(given)?, value.clone()))).collect()
    }

    /// Refuses what is none of `known`, of a page's parameters or of `members`: a misspelt filter must not
    /// silently admit everything.
    pub(super) fn only(&self, known: &[&str], members: Option<&str>) -> Result<(), ApiError> {
        let is_known = |name: &str| {
            known.contains(&name)
                || PAGE_PARAMETERS.contains(&name)
                || members.is_some_and(|of| name.strip_prefix(of).is_some_and(|rest| rest.starts_with('[')))
        };
        match self.0.iter().find(|(name, _)| !is_known(name)) {
            None => Ok(()),
            Some((name, _)) => {
                let shown: String = name.chars().filter(|c| !c.is_control()).take(64).collect();
                let message = format!("unknown parameter `{shown}`; known: {}", known.join(", "));
                Err(ApiError::invalid(&shown, message))
            }
        }
    }

    pub(super) fn page<Id: FromStr>(&self) -> Result<(Page<Id>, i64), ApiError> {
        let limit = self.parsed("limit", "a whole number from 1 to 100")?.unwrap_or(USUAL_LIMIT);
        if !(1..=LARGEST_LIMIT).contains(&limit) {
            return Err(ApiError::invalid("limit", "`limit` must be a whole number from 1 to 100"));
        }
        let after = self.parsed("starting_after", "an id of this list")?;
        let before = self.parsed("ending_before", "an id of this list")?;
        let page = match (after, before) {
            (None, None) => Page::Newest,
            (Some(id), None) => Page::StartingAfter(id),
            (None, Some(id)) => Page::EndingBefore(id),
            (Some(_), Some(_)) => {
                let message = "give `starting_after` or `ending_before`, not both";
                return Err(ApiError::invalid("ending_before", message));
            }
        };
        Ok((page, limit))
    }
}

/// A page of a list, newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct List<T> {
    /// Always `list`.
    object: &'static str,
    data: Vec<T>,
    /// Whether there is more in the direction that was asked for.
    has_more: bool,
    /// For `starting_after`, or for `ending_before` where that was given, or for `cursor` where that is what the list
    /// takes; absent at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

impl<T> List<T> {
    /// From `limit + 1` rows: the one too many tells that there is more.
    pub(super) fn of_page<Id>(
        mut data: Vec<T>,
        page: &Page<Id>,
        limit: i64,
        id: impl Fn(&T) -> String,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let has_more = data.len() > limit;
        let backwards = matches!(page, Page::EndingBefore(_));
        if has_more && backwards {
            data.drain(..data.len() - limit);
        } else {
            data.truncate(limit);
        }
        let edge = if backwards { data.first() } else { data.last() };
        let next_cursor = edge.filter(|_| has_more).map(id);
        Self { object: "list", data, has_more, next_cursor }
    }

    /// The same page as it is shown, several items made at once. `None` leaves one out.
    pub(super) async fn shown<U, E, F>(self, show: impl Fn(T) -> F) -> Result<List<U>, E>
    where
        F: Future<Output = Result<Option<U>, E>>,
    {
        let Self { object, data, has_more, next_cursor } = self;
        let showing = stream::iter(data).map(show).buffered(SHOWN_AT_ONCE);
        let data = showing.try_filter_map(|shown| std::future::ready(Ok(shown))).try_collect().await?;
        Ok(List { object, data, has_more, next_cursor })
    }

    /// Rows in an order of their own; `next_cursor` where there are more.
    pub(super) fn of_rows(data: Vec<T>, next_cursor: Option<String>) -> Self {
        Self { object: "list", data, has_more: next_cursor.is_some(), next_cursor }
    }

    pub(super) fn whole(data: Vec<T>) -> Self {
        Self { object: "list", data, has_more: false, next_cursor: None }
    }
}
