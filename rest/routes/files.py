"""Files."""

from __future__ import annotations

from domain.wire.files import FileAnswer, OpenFile
from handlers.files.access import open_file
from handlers.files.upload import upload
from rest import limits
from rest.downloads import download_handler
from rest.route import Route
from rest.uploads import upload_handler

ROWS = (
    Route(
        "POST",
        "/files",
        upload,
        "Upload an image, a video or a PDF",
        answer=FileAnswer,
        status=201,
        rate=limits.UPLOAD,
        adapter=upload_handler,
        consumes="multipart/form-data",
    ),
    Route(
        "GET",
        "/files/{id}",
        open_file,
        "A file, by its signed URL or with a token",
        command=OpenFile,
        answer=bytes,
        public=True,
        optional_auth=True,
        rate=limits.DOWNLOAD,
        adapter=download_handler,
        produces="application/octet-stream",
    ),
)
