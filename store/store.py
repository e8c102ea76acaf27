"""Every part of the store, made once from one database."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from store import (
    audit,
    availability,
    booking_changes,
    booking_mails,
    booking_transactions,
    bookings,
    bookmarks,
    calendars,
    categories,
    certificates,
    conversations,
    credits,
    devices,
    digests,
    disputes,
    erasures,
    exports,
    files,
    final_refunds,
    idempotency,
    listings,
    notification_preferences,
    outbox,
    owed_credits,
    password_resets,
    payment_differences,
    payment_notices,
    pricings,
    profiles,
    publish_outages,
    pushes,
    ratings,
    receipts,
    refunds,
    registrations,
    reminder_mails,
    reports,
    respelling,
    reviews,
    revocations,
    sessions,
    sign_in_tries,
    specializations,
    stripe_accounts,
    stripe_events,
    stripe_lists,
    trainer_parts,
    transactions,
    undelivered,
    user_blocks,
    users,
    webhook_deliveries,
    webhook_endpoints,
)
from store.accounts import Accounts
from store.audit import Audit
from store.availability import Availability
from store.booking_changes import BookingChanges
from store.booking_mails import BookingMails
from store.booking_transactions import BookingTransactions
from store.bookings import Bookings
from store.bookmarks import Bookmarks
from store.calendars import Calendars
from store.categories import Catalogue, Categories
from store.certificates import Certificates
from store.conversations import Conversations
from store.credits import Credits, Trials
from store.database import Database, prepare
from store.devices import PushDevices
from store.digests import Digests
from store.disputes import Disputes
from store.earnings import Earnings
from store.erasures import Erasures, PendingErasures
from store.exports import Exports
from store.failures import repository
from store.file_fields import FileFields
from store.files import Files
from store.final_refunds import FinalRefunds
from store.idempotency import Idempotency
from store.listings import Listings
from store.log.documents import SCHEMA as LOG_SCHEMA
from store.log.log import Log
from store.notification_preferences import NotificationPreferences
from store.offers import Offers
from store.outbox import Outbox
from store.owed_credits import OwedCreditRows
from store.password_resets import PasswordResets
from store.payment_differences import PaymentDifferences
from store.payment_notices import PaymentNotices
from store.payment_transactions import PaymentTransactions
from store.people import People, Presences
from store.personal_data import PersonalData
from store.pricings import Pricings
from store.profiles import Profiles
from store.publish_outages import PublishOutages
from store.pushes import Pushes
from store.ratings import RatingChanges
from store.reachability import require
from store.receipts import Receipts
from store.refunds import Refunds
from store.registrations import Registrations
from store.reminder_mails import ReminderMails
from store.reports import Reports
from store.respelling import Respelling
from store.reviews import Reviews
from store.revocations import Revocations
from store.sessions import Sessions
from store.sign_in_tries import SignInTryCounts
from store.specializations import Specializations
from store.statistics import Counts
from store.stripe_accounts import StripeAccounts
from store.stripe_events import StripeEvents
from store.stripe_lists import StripeListCursor
from store.trainer_parts import TrainerParts
from store.transactions import Transactions
from store.undelivered import ScanName, UndeliveredMessages
from store.user_blocks import UserBlocks
from store.users import Users
from store.watermarks import Watermarks
from store.webhook_deliveries import WebhookDeliveries
from store.webhook_endpoints import WebhookEndpoints

SCHEMAS = (
    LOG_SCHEMA,
    *conversations.SCHEMAS,
    *users.SCHEMAS,
    *registrations.SCHEMAS,
    *password_resets.SCHEMAS,
    *sign_in_tries.SCHEMAS,
    *profiles.SCHEMAS,
    *pricings.SCHEMAS,
    *categories.SCHEMAS,
    *specializations.SCHEMAS,
    *certificates.SCHEMAS,
    *listings.SCHEMAS,
    *bookmarks.SCHEMAS,
    *reviews.SCHEMAS,
    *ratings.SCHEMAS,
    *sessions.SCHEMAS,
    *revocations.SCHEMAS,
    *idempotency.SCHEMAS,
    *availability.SCHEMAS,
    *bookings.SCHEMAS,
    *booking_changes.SCHEMAS,
    *booking_transactions.SCHEMAS,
    *booking_mails.SCHEMAS,
    *reminder_mails.SCHEMAS,
    *credits.SCHEMAS,
    *credits.TRIAL_SCHEMAS,
    *outbox.SCHEMAS,
    *files.SCHEMAS,
    *calendars.SCHEMAS,
    *erasures.SCHEMAS,
    *publish_outages.SCHEMAS,
    *respelling.SCHEMAS,
    *user_blocks.SCHEMAS,
    *reports.SCHEMAS,
    *audit.SCHEMAS,
    *notification_preferences.SCHEMAS,
    *devices.SCHEMAS,
    *digests.SCHEMAS,
    *pushes.SCHEMAS,
    *undelivered.SCHEMAS,
    *exports.SCHEMAS,
    *transactions.SCHEMAS,
    *payment_notices.SCHEMAS,
    *receipts.SCHEMAS,
    *stripe_accounts.SCHEMAS,
    *stripe_events.SCHEMAS,
    *stripe_lists.SCHEMAS,
    *refunds.SCHEMAS,
    *disputes.SCHEMAS,
    *trainer_parts.SCHEMAS,
    *owed_credits.SCHEMAS,
    *payment_differences.SCHEMAS,
    *final_refunds.SCHEMAS,
    *webhook_endpoints.SCHEMAS,
    *webhook_deliveries.SCHEMAS,
)


@repository
class Store:
    """Must be made inside the running event loop."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = Log(database)
        self.conversations = Conversations(database)
        self.watermarks = Watermarks(database)
        self.people = People(database)
        self.presences = Presences(database)
        self.users = Users(database)
        self.registrations = Registrations(database)
        self.password_resets = PasswordResets(database)
        self.sign_in_tries = SignInTryCounts(database)
        self.profiles = Profiles(database)
        self.pricings = Pricings(database)
        self.categories = Categories(database)
        self.specializations = Specializations(database)
        file_fields = FileFields(database)
        self.certificates = Certificates(database, file_fields)
        self.bookmarks = Bookmarks(database)
        self.listings = Listings(database)
        self.availability = Availability(database, self.listings)
        self.ratings = RatingChanges(database)
        self.webhook_endpoints = WebhookEndpoints(database)
        self.webhook_deliveries = WebhookDeliveries(database)
        self.reviews = Reviews(database, self.listings, self.ratings, self.webhook_deliveries)
        self.respelling = Respelling(database, self.listings)
        self.catalogue = Catalogue(database, self.categories, self.specializations)
        self.offers = Offers(
            database,
            self.profiles,
            self.pricings,
            self.categories,
            self.specializations,
            self.certificates,
            self.bookmarks,
            self.listings,
            file_fields,
            self.availability,
        )
        self.sessions = Sessions(database)
        self.idempotency = Idempotency(database)
        self.revocations = Revocations(database)
        self.files = Files(database)
        self.bookings = Bookings(database)
        self.booking_changes = BookingChanges(database)
        self.calendars = Calendars(database)
        self.credits = Credits(database)
        self.trials = Trials(database)
        self.outbox = Outbox(database)
        self.pending_erasures = PendingErasures(database)
        self.publish_outages = PublishOutages(database)
        self.user_blocks = UserBlocks(database)
        self.reports = Reports(database)
        self.audit = Audit(database)
        self.notification_preferences = NotificationPreferences(database)
        self.devices = PushDevices(database)
        self.digests = Digests(database)
        self.pushes = Pushes(database)
        self.undelivered = UndeliveredMessages(database)
        self.exports = Exports(database)
        self.personal_data = PersonalData(database)
        self.counts = Counts(database)
        self.booking_mails = BookingMails(database)
        self.reminder_mails = ReminderMails(database)
        self.owed_credits = OwedCreditRows(database)
        self.booking_transactions = BookingTransactions(
            database, self.bookings, self.conversations, self.credits, self.outbox, self.idempotency, self.reviews,
            self.booking_mails, self.reminder_mails, self.pushes, self.webhook_deliveries, self.owed_credits,
        )
        self.transactions = Transactions(database)
        self.receipts = Receipts(database)
        self.payment_notices = PaymentNotices(database, self.receipts)
        self.stripe_accounts = StripeAccounts(database)
        self.stripe_events = StripeEvents(database)
        self.compared_events = StripeListCursor(database, stripe_lists.EVENTS, timedelta(minutes=5))
        self.compared_payments = StripeListCursor(database, stripe_lists.PAYMENTS, timedelta(minutes=10))
        self.refunds = Refunds(database)
        self.disputes = Disputes(database)
        self.trainer_parts = TrainerParts(database)
        self.payment_differences = PaymentDifferences(database, self.audit)
        self.final_refunds = FinalRefunds(database)
        self.earnings = Earnings(database)
        self.payment_transactions = PaymentTransactions(
            database,
            self.transactions,
            self.credits,
            self.conversations,
            self.payment_notices,
            self.refunds,
            self.disputes,
            self.trainer_parts,
            self.owed_credits,
            self.idempotency,
            self.booking_transactions,
            self.webhook_deliveries,
        )
        self.accounts = Accounts(
            database,
            self.users,
            self.profiles,
            self.sessions,
            self.revocations,
            self.listings,
            self.registrations,
            self.webhook_deliveries,
        )
        self.erasures = Erasures(
            database,
            self.accounts,
            self.pending_erasures,
            self.users,
            self.profiles,
            self.sessions,
            self.offers,
            self.idempotency,
            self.bookings,
            self.files,
            self.calendars,
            self.registrations,
            self.user_blocks,
            self.reports,
            self.reviews,
            self.notification_preferences,
            self.devices,
            self.digests,
            self.pushes,
            self.exports,
            self.stripe_accounts,
            self.final_refunds,
            self.webhook_deliveries,
        )

    async def prepare(self) -> None:
        """Indexes first, then the projections that the last run may have left behind."""
        await require(self.database.db)
        await prepare(self.database, SCHEMAS)
        await self.log.projections.repair_recent()
        await self.listings.repair()
        await self.respelling.begin()
        await self.user_blocks.prepare()

    async def begin_recurring(self, now: datetime, scans: Collection[ScanName]) -> None:
        """The rows of work that recurs for ever, where there are none yet."""
        await self.compared_events.begin(now)
        await self.compared_payments.begin(now)
        await self.undelivered.begin(scans, now)

    async def drain(self) -> None:
        await self.log.drain()
