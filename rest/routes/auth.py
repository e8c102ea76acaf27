"""Accounts and sessions."""

from __future__ import annotations

from domain import account_answers as answers
from domain.commands import auth as commands
from handlers.auth import leaving, passwords
from handlers.auth.login import login
from handlers.auth.refreshing import refresh
from handlers.auth.registering import register, resend_code
from handlers.auth.verifying import verify
from rest import limits
from rest.route import Route

ROWS = (
    Route(
        "POST",
        "/auth/register",
        register,
        "Register; a code is mailed",
        command=commands.Register,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=limits.REGISTER,
    ),
    Route(
        "POST",
        "/auth/verify",
        verify,
        "Verify the address with the code, and sign in",
        command=commands.Verify,
        answer=answers.Tokens,
        public=True,
        rate=limits.VERIFY,
    ),
    Route(
        "POST",
        "/auth/resend-code",
        resend_code,
        "Ask for a new code",
        command=commands.ResendCode,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=limits.RESEND,
    ),
    Route(
        "POST",
        "/auth/login",
        login,
        "Sign in",
        command=commands.Login,
        answer=answers.Tokens,
        public=True,
        rate=limits.LOGIN,
    ),
    Route(
        "POST",
        "/auth/refresh",
        refresh,
        "Trade the refresh token for new tokens",
        command=commands.Refresh,
        answer=answers.Tokens,
        public=True,
        rate=limits.REFRESH,
    ),
    Route("POST", "/auth/logout", leaving.logout, "Sign this device out"),
    Route("POST", "/auth/logout-all", leaving.logout_all, "Sign every device out"),
    Route(
        "POST",
        "/auth/forgot-password",
        passwords.forgot_password,
        "Ask for a code to reset the password",
        command=commands.ForgotPassword,
        answer=answers.Accepted,
        status=202,
        public=True,
        rate=limits.FORGOT,
    ),
    Route(
        "POST",
        "/auth/verify-reset-code",
        passwords.verify_reset_code,
        "Trade the code for a reset token",
        command=commands.VerifyResetCode,
        answer=answers.ResetToken,
        public=True,
        rate=limits.RESET,
    ),
    Route(
        "POST",
        "/auth/reset-password",
        passwords.reset_password,
        "Set a new password; every device is signed out",
        command=commands.ResetPassword,
        public=True,
        rate=limits.RESET_TOKEN,
    ),
    Route(
        "POST",
        "/auth/change-password",
        passwords.change_password,
        "Change the password; every earlier session ends",
        command=commands.ChangePassword,
        answer=answers.Tokens,
        rate=limits.CHANGE_PASSWORD,
    ),
    Route(
        "GET",
        "/auth/sessions",
        leaving.list_sessions,
        "The devices signed in",
        command=commands.ListSessions,
        answer=answers.DevicePage,
    ),
    Route("DELETE", "/auth/sessions/{id}", leaving.end_session, "Sign another device out", command=commands.EndSession),
)
