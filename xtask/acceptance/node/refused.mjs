// The outcome of a case that ends without a token.

/** An error of the service. `behind` is what the user of the client does not see. */
export class Refused extends Error {
  constructor(text, behind = "") {
    super(text);
    this.behind = behind;
  }

  /** From what a client threw, with its causes. */
  static by(error) {
    const behind = [error.errorMessage, error.subError];
    for (let cause = error.cause; cause; cause = cause.cause) {
      behind.push(cause.message, cause.error_description);
    }
    return new Refused(error.message, behind.filter(Boolean).join("; "));
  }
}
