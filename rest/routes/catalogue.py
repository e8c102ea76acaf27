"""Trainers and categories for everybody; bookmarks and reviews of clients."""

from __future__ import annotations

from domain.wire import catalogue as wire
from handlers.catalogue import bookmarks, categories, reviews, search, trainers
from rest.route import Route

_BOOKMARK = "/me/bookmarks/{trainerId}"

ROWS = (
    Route(
        "GET",
        "/categories",
        categories.list_categories,
        "The categories of sessions, each with its subcategories",
        command=wire.ListCategories,
        answer=wire.CategoryPage,
        public=True,
    ),
    Route(
        "GET",
        "/trainers",
        search.search_trainers,
        "Find trainers",
        command=wire.SearchTrainers,
        answer=wire.TrainerPage,
        public=True,
        bulky=True,
    ),
    Route(
        "GET",
        "/trainers/{id}",
        trainers.get_trainer,
        "A trainer's public page",
        command=wire.GetTrainer,
        answer=wire.TrainerAnswer,
        public=True,
        optional_auth=True,
    ),
    Route(
        "GET",
        "/trainers/{id}/pricing",
        trainers.get_pricing,
        "What a trainer sells",
        command=wire.GetPricing,
        answer=wire.PricingAnswer,
        public=True,
    ),
    Route(
        "GET",
        "/trainers/{id}/reviews",
        reviews.list_reviews,
        "What clients say of a trainer, newest first",
        command=wire.ListReviews,
        answer=wire.ReviewPage,
        public=True,
        optional_auth=True,
        path_names={"id": "trainerId"},
        bulky=True,
    ),
    Route("PUT", _BOOKMARK, bookmarks.add_bookmark, "Keep a trainer in mind", command=wire.AddBookmark),
    Route("DELETE", _BOOKMARK, bookmarks.remove_bookmark, "Forget a trainer", command=wire.RemoveBookmark),
    Route(
        "GET",
        "/me/bookmarks",
        bookmarks.list_bookmarks,
        "The trainers I keep in mind, newest first",
        command=wire.ListBookmarks,
        answer=wire.BookmarkPage,
        bulky=True,
    ),
    Route(
        "POST",
        "/bookings/{id}/review",
        reviews.add_review,
        "Say how a session was",
        command=wire.AddReview,
        answer=wire.ReviewAnswer,
        status=201,
        path_names={"id": "bookingId"},
    ),
    Route(
        "PATCH",
        "/reviews/{id}",
        reviews.update_review,
        "Change my review",
        command=wire.UpdateReview,
        answer=wire.ReviewAnswer,
    ),
    Route("DELETE", "/reviews/{id}", reviews.delete_review, "Remove a review", command=wire.DeleteReview),
)
