//! A parking garage: an aggregate that admits cars up to its capacity, and a read model of how often each car has come. Both are
//! in one SQLite file, `garage.db` in the folder named on the command line.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::{collections::BTreeMap, error::Error, path::Path, sync::Arc};

use actix::{Arbiter, System};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ordo_actors::{
    Aggregate, Appender, AppenderLimits, CommandOutcome, DecodeError, DomainEvent, Engine, EngineMetrics, EngineParts,
    EventEnvelope, EventFeed, EventKind, EventStore, Lifespan, ProjectionActor, ProjectionMetrics, ReadModel, Request,
    Sources, StreamId, SystemClock, TakeError,
    projection::{
        progress::{ProjectionLimits, ProjectionParts},
        row_store::{Column, ColumnType, RowChange, RowStore, Table, Value},
    },
    stores::{
        schema::Migration,
        sqlite::{SCHEMA, SqliteOptions, SqliteStore},
    },
};
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use uuid::Uuid;

const CAPACITY: usize = 2;

/// The plates of the cars that are in.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Garage(Vec<String>);

enum GarageCommand {
    Enter(String),
    Leave(String),
}

/// Both events have the same payload: `{"plate": ..}`.
enum GarageEvent {
    CarEntered(Car),
    CarLeft(Car),
}

#[derive(Clone, Serialize, Deserialize)]
struct Car {
    plate: String,
}

#[derive(Debug, thiserror::Error)]
enum GarageRejection {
    #[error("the garage is full")]
    Full,
    #[error("this car is not in the garage")]
    NotHere,
}

impl Aggregate for Garage {
    const TYPE: &'static str = "Garage";
    const SNAPSHOT_SCHEMA: u32 = 1;
    type Command = GarageCommand;
    type Event = GarageEvent;
    type Rejection = GarageRejection;

    fn decide(&self, command: &GarageCommand) -> Result<Vec<GarageEvent>, GarageRejection> {
        match command {
            GarageCommand::Enter(plate) if self.0.contains(plate) => Ok(vec![]),
            GarageCommand::Enter(_) if self.0.len() >= CAPACITY => Err(GarageRejection::Full),
            GarageCommand::Enter(plate) => Ok(vec![GarageEvent::CarEntered(Car { plate: plate.clone() })]),
            GarageCommand::Leave(plate) if self.0.contains(plate) => {
                Ok(vec![GarageEvent::CarLeft(Car { plate: plate.clone() })])
            }
            GarageCommand::Leave(_) => Err(GarageRejection::NotHere),
        }
    }

    fn evolve(&mut self, event: &GarageEvent, _at: DateTime<Utc>) {
        match event {
            GarageEvent::CarEntered(car) => self.0.push(car.plate.clone()),
            GarageEvent::CarLeft(car) => self.0.retain(|plate| *plate != car.plate),
        }
    }
}

impl DomainEvent for GarageEvent {
    const KINDS: &'static [EventKind] = &[("CarEntered", 1), ("CarLeft", 1)];

    fn event_type(&self) -> &'static str {
        match self {
            Self::CarEntered(_) => "CarEntered",
            Self::CarLeft(_) => "CarLeft",
        }
    }

    fn encode(&self) -> serde_json::Result<Box<RawValue>> {
        match self {
            Self::CarEntered(car) | Self::CarLeft(car) => to_raw_value(car),
        }
    }

    fn decode(event_type: &str, payload: &RawValue) -> Result<Self, DecodeError> {
        let car = || {
            serde_json::from_str(payload.get())
                .map_err(|source| DecodeError::Payload { event_type: event_type.to_owned(), source })
        };
        match event_type {
            "CarEntered" => car().map(Self::CarEntered),
            "CarLeft" => car().map(Self::CarLeft),
            unknown => Err(DecodeError::UnknownType(unknown.to_owned())),
        }
    }
}

static VISITS: Table = Table {
    name: "visits",
    columns: &[Column { name: "plate", kind: ColumnType::Text }, Column { name: "visits", kind: ColumnType::Int }],
    key: 1,
    indexes: &[],
};
static TABLES: &[&Table] = &[&VISITS];
const MIGRATIONS: &[Migration] = &[(
    "V1__visits",
    "CREATE TABLE visits (generation INTEGER NOT NULL, plate TEXT NOT NULL, visits INTEGER NOT NULL,
         PRIMARY KEY (generation, plate)) STRICT, WITHOUT ROWID",
)];

/// How often each car has come.
struct Visits;

#[async_trait]
impl ReadModel for Visits {
    fn name(&self) -> &'static str {
        "visits"
    }

    fn tables(&self) -> &'static [&'static Table] {
        TABLES
    }

    async fn take(&mut self, events: &[Arc<EventEnvelope>], sources: Sources<'_>) -> Result<Vec<RowChange>, TakeError> {
        let mut new_visits: BTreeMap<String, i64> = BTreeMap::new();
        for event in events {
            let typed = event.typed().map_err(|error| TakeError::unprocessable(event, error.to_string()))?;
            match &*typed {
                GarageEvent::CarEntered(car) => *new_visits.entry(car.plate.clone()).or_default() += 1,
                GarageEvent::CarLeft(_) => {}
            }
        }
        let keys: Vec<_> = new_visits.keys().map(|plate| vec![Value::Text(plate.as_str().into())]).collect();
        let rows = sources.rows.fetch(&VISITS, sources.generation, &keys).await?;
        let changes = keys.into_iter().zip(rows).zip(new_visits.into_values()).map(|((mut row, before), new)| {
            row.push(Value::Int(before.map_or(0, |before| visits_of(&before)) + new));
            RowChange::Put { table: &VISITS, row }
        });
        Ok(changes.collect())
    }
}

fn visits_of(row: &[Value]) -> i64 {
    match row {
        [_, Value::Int(visits)] => *visits,
        _ => 0,
    }
}

/// Serves three cars, two of which fit in, and tells how often the first one has come since the file was made.
async fn run(file: &Path) -> Result<i64, Box<dyn Error>> {
    let options = SqliteOptions { schema: SCHEMA.with(MIGRATIONS), ..SqliteOptions::default() };
    let store = Arc::new(SqliteStore::open(file, options)?);
    let (feed, metrics) = (EventFeed::new(1024, store.head().await?.position), EngineMetrics::unregistered());
    let on_failure = Box::new(|reason| panic!("{reason}"));
    let (appender, _thread) =
        Appender::start(store.clone(), feed.clone(), AppenderLimits::default(), metrics.clone(), on_failure)?;
    let garages = Engine::<Garage>::start(EngineParts {
        store: store.clone(),
        appender,
        clock: Arc::new(SystemClock),
        lifespan: Lifespan::default(),
        states: None,
        metrics,
        arbiters: vec![Arbiter::current()],
    });
    let visits = ProjectionActor::start_with(
        ProjectionParts {
            log: store.clone(),
            rows: store.clone(),
            feed: feed.clone(),
            clock: Arc::new(SystemClock),
            limits: ProjectionLimits::default(),
            metrics: ProjectionMetrics::unregistered(),
        },
        Arc::new(|| Box::new(Visits)),
    );

    let garage = StreamId(Uuid::from_u128(1));
    let show = |outcome: &CommandOutcome<'_, Garage>| match outcome {
        CommandOutcome::Accepted { state, .. } => format!("inside: {}", state.0.join(", ")),
        CommandOutcome::Rejected { rejection, .. } => rejection.to_string(),
        CommandOutcome::VersionMismatch { version, .. } => format!("the garage is at version {version}"),
    };
    for plate in ["HB-1", "HB-2", "HB-3"] {
        let entered = garages.ask(garage, Request::execute(GarageCommand::Enter(plate.into()), show)).await?;
        println!("{plate} comes: {}", entered.answer);
    }
    for plate in ["HB-1", "HB-2"] {
        let left = garages.ask(garage, Request::execute(GarageCommand::Leave(plate.into()), show)).await?;
        println!("{plate} goes: {}", left.answer);
    }

    visits.reached(feed.head()).await;
    let generation = visits.progress().checkpoint.ok_or("the read model was never claimed")?.generation;
    let rows = store.fetch(&VISITS, generation, &[vec![Value::Text("HB-1".into())]]).await?;
    garages.close();
    Ok(rows.into_iter().flatten().next().map_or(0, |row| visits_of(&row)))
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args().nth(1).ok_or("usage: parking_garage FOLDER")?;
    let visits = System::new().block_on(run(&Path::new(&folder).join("garage.db")))?;
    println!("HB-1 has come {visits} times");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_are_counted_on_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        for times in 1..=3 {
            let visits = System::new().block_on(run(&folder.path().join("garage.db"))).expect("a run");
            assert_eq!(visits, times);
        }
    }
}
