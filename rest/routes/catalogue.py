"""Trainers and categories for everybody; bookmarks and reviews of clients."""

from __future__ import annotations

from domain.wire import catalogue as answers
from domain.wire import catalogue as commands
from handlers.catalogue import bookmarks, categories, reviews, search, trainers
from rest.route import Route

_BOOKMARK = "/me/bookmarks/{trainerId}"

ROWS = (
    Route(
        "GET",
        "/categories",
        categories.list_categories,
        "The categories of sessions, each with its subcategories",
        command=commands.ListCategories,
        answer=answers.CategoryPage,
        public=True,
    ),
    Route(
        "GET",
        "/trainers",
        search.search_trainers,
        "Find trainers",
        command=commands.SearchTrainers,
        answer=answers.TrainerPage,
        public=True,
        bulky=True,
    ),
    Route(
        "GET",
        "/trainers/{id}",
        trainers.get_trainer,
        "A trainer's public page",
        command=commands.GetTrainer,
        answer=answers.TrainerAnswer,
        public=True,
        knows_callers=True,
    ),
    Route(
        "GET",
        "/trainers/{id}/pricing",
        trainers.get_pricing,
        "What a trainer sells",
        command=commands.GetPricing,
        answer=answers.PricingAnswer,
        public=True,
    ),
    Route(
        "GET",
        "/trainers/{id}/reviews",
        reviews.list_reviews,
        "What clients say of a trainer, newest first",
        command=commands.ListReviews,
        answer=answers.ReviewPage,
        public=True,
        path_names={"id": "trainerId"},
        bulky=True,
    ),
    Route("PUT", _BOOKMARK, bookmarks.add_bookmark, "Keep a trainer in mind", command=commands.AddBookmark),
    Route("DELETE", _BOOKMARK, bookmarks.remove_bookmark, "Forget a trainer", command=commands.RemoveBookmark),
    Route(
        "GET",
        "/me/bookmarks",
        bookmarks.list_bookmarks,
        "The trainers I keep in mind, newest first",
        command=commands.ListBookmarks,
        answer=answers.BookmarkPage,
        bulky=True,
    ),
    Route(
        "POST",
        "/bookings/{id}/review",
        reviews.add_review,
        "Say how a session was",
        command=commands.AddReview,
        answer=answers.ReviewAnswer,
        status=201,
        path_names={"id": "bookingId"},
    ),
    Route(
        "PATCH",
        "/reviews/{id}",
        reviews.update_review,
        "Change my review",
        command=commands.UpdateReview,
        answer=answers.ReviewAnswer,
    ),
    Route("DELETE", "/reviews/{id}", reviews.delete_review, "Remove a review", command=commands.DeleteReview),
)
