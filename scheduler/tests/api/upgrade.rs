//! What an operator does to a running installation: migrate again, go forward, go back.

use super::scene::{Scene, card};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use txid_shared::store::Store;

#[tokio::test]
async fn migrating_again_changes_nothing_and_two_at_once_do_not_collide() {
    let scene = Scene::new().await;
    let id = scene.accepted(&card()).await;
    let settings = &scene.config.database;
    let (one, other) = tokio::join!(Store::migrate(settings), Store::migrate(settings));
    one.unwrap();
    other.unwrap();
    assert_eq!(scene.get(&format!("/v1/identity/verifications/{id}")).await.status, 200);
    scene.end().await;
}

#[tokio::test]
async fn an_older_version_still_migrates_and_serves_what_a_newer_one_has_migrated() {
    let scene = Scene::new().await;
    sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (99999999999999, 'of a newer version', true, '', 0)",
    )
    .execute(&scene.database)
    .await
    .unwrap();
    Store::migrate(&scene.config.database).await.unwrap();
    assert_eq!(scene.get("/readyz").await.status, 200);
    scene.end().await;
}

/// What a client of the version before would meet, by table: columns with type, whether null is taken and whether there
/// is a default; and what else may refuse its rows, with the columns concerned.
#[derive(Debug, Default, PartialEq)]
struct Shape {
    columns: BTreeMap<(String, String), (String, bool, bool)>,
    refusals: BTreeMap<(String, String), Vec<String>>,
}

async fn shape(database: &PgPool) -> Shape {
    let columns: Vec<(String, String, String, bool, bool)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, udt_name::text, is_nullable = 'YES',
           column_default IS NOT NULL OR is_identity = 'YES'
         FROM information_schema.columns WHERE table_schema = current_schema()",
    )
    .fetch_all(database)
    .await
    .unwrap();
    // Constraints, unique indexes that are none, triggers.
    let refusals: Vec<(String, String, Vec<String>)> = sqlx::query_as(
        "WITH rules (relation, name, columns) AS (
           SELECT conrelid, conname, conkey FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
             AND contype IN ('c', 'f', 'u', 'x', 'p')
           UNION ALL
           SELECT indrelid, relname, indkey::int2[] FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
           WHERE indisunique AND relnamespace = current_schema()::regnamespace
             AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
           UNION ALL
           SELECT tgrelid, tgname, '{}'::int2[] FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid
           WHERE NOT tgisinternal AND relnamespace = current_schema()::regnamespace
         )
         SELECT relname::text, rules.name::text,
           ARRAY(SELECT attname::text FROM pg_attribute WHERE attrelid = relation AND attnum = ANY(rules.columns))
         FROM rules JOIN pg_class ON pg_class.oid = relation",
    )
    .fetch_all(database)
    .await
    .unwrap();
    Shape {
        columns: columns
            .into_iter()
            .map(|(t, c, kind, null, default)| ((t, c), (kind, null, default)))
            .collect(),
        refusals: refusals.into_iter().map(|(table, name, columns)| ((table, name), columns)).collect(),
    }
}

/// What of a migration a client of the version before could stumble over.
fn contractions(before: &Shape, after: &Shape) -> Vec<String> {
    let mut found = Vec::new();
    let tables: BTreeSet<&str> = before.columns.keys().map(|(table, _)| table.as_str()).collect();
    for ((table, column), (kind, null, default)) in &before.columns {
        match after.columns.get(&(table.clone(), column.clone())) {
            None => found.push(format!("{table}.{column} is gone")),
            Some((now, ..)) if now != kind => found.push(format!("{table}.{column} is {now}, was {kind}")),
            Some((_, false, false)) if *null || *default => {
                found.push(format!("{table}.{column} wants a value"))
            }
            Some((_, now_null, _)) if *null && !now_null => {
                found.push(format!("{table}.{column} takes no null"))
            }
            Some(_) => {}
        }
    }
    for ((table, column), (_, null, default)) in &after.columns {
        let is_new = !before.columns.contains_key(&(table.clone(), column.clone()));
        if tables.contains(table.as_str()) && is_new && !null && !default {
            found.push(format!("{table}.{column} is new and wants a value"));
        }
    }
    for ((table, name), columns) in &after.refusals {
        let is_new = !before.refusals.contains_key(&(table.clone(), name.clone()));
        let old_column = |column: &String| before.columns.contains_key(&(table.clone(), column.clone()));
        let concerns_old_rows = columns.is_empty() || columns.iter().any(old_column);
        if tables.contains(table.as_str()) && is_new && concerns_old_rows {
            found.push(format!("{table}: {name} is new"));
        }
    }
    found
}

/// Looked at one by one: why a client of the version before does not stumble over it.
const CONSIDERED: [(i64, &str); 5] = [
    // Nobody ever changed or removed an entry.
    (3, "audit: audit_is_not_changed is new"),
    (3, "audit: audit_is_not_removed is new"),
    (4, "audit: audit_is_not_truncated is new"),
    // Which that version always gave.
    (6, "verifications: verifications_declared is new"),
    // That version writes the default alone.
    (13, "accounts: accounts_batch_weight is new"),
];

#[tokio::test]
async fn migrations_expand_only_so_that_the_version_before_runs_beside_this_one() {
    let scene = Scene::new().await;
    let all =
        Migrator::new(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/migrations"))).await.unwrap();
    let schema = format!("{}_expanding", scene.config.database.schema);
    let create = format!("CREATE SCHEMA \"{schema}\"; SET search_path TO \"{schema}\"");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&scene.database).await.unwrap();
    let (mut before, mut found) = (Shape::default(), Vec::new());
    for end in 1..=all.migrations.len() {
        let so_far = all.migrations[..end].to_vec();
        let version = so_far[end - 1].version;
        Migrator { migrations: so_far.into(), ..Migrator::DEFAULT }.run(&scene.database).await.unwrap();
        let after = shape(&scene.database).await;
        assert_ne!(after, Shape::default());
        found.extend(contractions(&before, &after).into_iter().map(|what| (version, what)));
        before = after;
    }
    let considered: Vec<(i64, String)> =
        CONSIDERED.iter().map(|(version, what)| (*version, (*what).to_owned())).collect();
    assert_eq!(found, considered);

    // And it would say so.
    let contract = "ALTER TABLE accounts DROP COLUMN plan, ALTER COLUMN name TYPE varchar(9);
                    ALTER TABLE verifications ADD COLUMN needed text NOT NULL, ALTER COLUMN retry_of SET NOT NULL,
                      ADD CONSTRAINT short CHECK (length(country) < 9);
                    ALTER TABLE verifications ALTER COLUMN remains DROP DEFAULT;
                    CREATE UNIQUE INDEX once ON events (type);
                    DROP TABLE delivery_attempts";
    sqlx::raw_sql(contract).execute(&scene.database).await.unwrap();
    let said = contractions(&before, &shape(&scene.database).await);
    for expected in [
        "accounts.plan is gone",
        "accounts.name is varchar, was text",
        "verifications.needed is new and wants a value",
        "verifications.retry_of wants a value",
        "verifications: short is new",
        "verifications.remains wants a value",
        "events: once is new",
        "delivery_attempts.attempt is gone",
    ] {
        assert!(said.iter().any(|one| one == expected), "{expected} is not seen: {said:#?}");
    }
    let back =
        format!("DROP SCHEMA \"{schema}\" CASCADE; SET search_path TO \"{}\"", scene.config.database.schema);
    sqlx::raw_sql(sqlx::AssertSqlSafe(back)).execute(&scene.database).await.unwrap();
    scene.end().await;
}
