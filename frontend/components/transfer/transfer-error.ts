import { APP_ERROR } from "@/lib/messages";

/** Why a file could not be written, read or imported, in words for the person. */
export class TransferError extends Error {
  override readonly name = "TransferError";
}

/** Return an error in words for the person. One that has none is a fault of this app, and is logged. */
export function errorMessage(error: unknown): string {
  if (error instanceof TransferError) return error.message;
  console.error(error);
  return APP_ERROR;
}
