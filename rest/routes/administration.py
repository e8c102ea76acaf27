"""What administrators do.

The categories, kept by administrators.
"""

from __future__ import annotations

from domain.wire import catalogue as answers
from domain.wire import catalogue as commands
from domain.wire.accounts import BlockUser, UnblockUser
from handlers.accounts.administration import block, unblock
from handlers.catalogue import categories
from rest.route import Route

ROWS = (
    Route("POST", "/admin/users/{id}/block", block, "Block a user; every session of it ends", command=BlockUser),
    Route("POST", "/admin/users/{id}/unblock", unblock, "Let a blocked user sign in again", command=UnblockUser),
)


_ONE = "/admin/categories/{id}"
_ONE_SUB = "/admin/subcategories/{id}"

CATEGORY_ROWS = (
    Route(
        "POST",
        "/admin/categories",
        categories.add_category,
        "Add a category",
        command=commands.AddCategory,
        answer=answers.CategoryAnswer,
        status=201,
    ),
    Route(
        "PATCH",
        _ONE,
        categories.update_category,
        "Rename a category",
        command=commands.UpdateCategory,
        answer=answers.CategoryAnswer,
    ),
    Route(
        "DELETE",
        _ONE,
        categories.delete_category,
        "Remove a category that nobody offers",
        command=commands.DeleteCategory,
    ),
    Route(
        "POST",
        "/admin/subcategories",
        categories.add_sub_category,
        "Add a subcategory",
        command=commands.AddSubCategory,
        answer=answers.SubCategoryAnswer,
        status=201,
    ),
    Route(
        "PATCH",
        _ONE_SUB,
        categories.update_sub_category,
        "Rename a subcategory, or move it",
        command=commands.UpdateSubCategory,
        answer=answers.SubCategoryAnswer,
    ),
    Route(
        "DELETE",
        _ONE_SUB,
        categories.delete_sub_category,
        "Remove a subcategory that nobody offers",
        command=commands.DeleteSubCategory,
    ),
)
