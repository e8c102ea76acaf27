"""What administrators do: blocking users, keeping the categories."""

from __future__ import annotations

from domain.wire import catalogue as wire
from domain.wire.accounts import BlockUser, UnblockUser
from handlers.accounts.administration import block, unblock
from handlers.catalogue import categories
from rest.route import Route

_ONE = "/admin/categories/{id}"
_ONE_SUB = "/admin/subcategories/{id}"

ROWS = (
    Route("POST", "/admin/users/{id}/block", block, "Block a user; every session of it ends", command=BlockUser),
    Route("POST", "/admin/users/{id}/unblock", unblock, "Let a blocked user sign in again", command=UnblockUser),
   Route(
        "POST",
        "/admin/categories",
        categories.add_category,
        "Add a category",
        command=wire.AddCategory,
        answer=wire.CategoryAnswer,
        status=201,
    ),
    Route(
        "PATCH",
        _ONE,
        categories.update_category,
        "Rename a category",
        command=wire.UpdateCategory,
        answer=wire.CategoryAnswer,
    ),
    Route(
        "DELETE",
        _ONE,
        categories.delete_category,
        "Remove a category that nobody offers",
        command=wire.DeleteCategory,
    ),
    Route(
        "POST",
        "/admin/subcategories",
        categories.add_sub_category,
        "Add a subcategory",
        command=wire.AddSubCategory,
        answer=wire.SubCategoryAnswer,
        status=201,
    ),
    Route(
        "PATCH",
        _ONE_SUB,
        categories.update_sub_category,
        "Rename a subcategory, or move it",
        command=wire.UpdateSubCategory,
        answer=wire.SubCategoryAnswer,
    ),
    Route(
        "DELETE",
        _ONE_SUB,
        categories.delete_sub_category,
        "Remove a subcategory that nobody offers",
        command=wire.DeleteSubCategory,
    ),
)
