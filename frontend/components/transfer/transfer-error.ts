import { APP_ERROR } from "@/lib/messages";

/** Thrown when a file cannot be exported, read or imported. The message is for the person. */
export class TransferError extends Error {
  override readonly name = "TransferError";
}

/** Return the message for the person. An unexpected error is a bug: it is logged. */
export function errorMessage(error: unknown): string {
  if (error instanceof TransferError) return error.message;
  console.error(error);
  return APP_ERROR;
}
