/**
 * Heights of the rows of a windowed table, as a Fenwick tree: where a row begins and which row stands at a
 * place are both found in O(log n), however many rows are opened.
 */
export class Heights {
  private tree: Float64Array = new Float64Array(1);
  private own: Float64Array = new Float64Array(0);

  constructor(length = 0, height = 20) {
    this.reset(length, () => height);
  }

  get length(): number {
    return this.own.length;
  }

  /** Forgets all and takes `height(i)` for each of `length` rows. O(n). */
  reset(length: number, height: (index: number) => number): void {
    this.own = new Float64Array(length);
    this.tree = new Float64Array(length + 1);
    for (let i = 0; i < length; i++) {
      const h = height(i);
      this.own[i] = h;
      this.tree[i + 1] = (this.tree[i + 1] ?? 0) + h;
      const parent = i + 1 + ((i + 1) & -(i + 1));
      if (parent <= length) this.tree[parent] = (this.tree[parent] ?? 0) + (this.tree[i + 1] ?? 0);
    }
  }

  get(index: number): number {
    return this.own[index] ?? 0;
  }

  /** Sets one row's height and returns by how much it changed. */
  set(index: number, height: number): number {
    const change = height - (this.own[index] ?? 0);
    if (change === 0 || index < 0 || index >= this.own.length) return 0;
    this.own[index] = height;
    for (let i = index + 1; i < this.tree.length; i += i & -i) this.tree[i] = (this.tree[i] ?? 0) + change;
    return change;
  }

  /** Where row `index` begins; `offset(length)` is the whole height. */
  offset(index: number): number {
    let sum = 0;
    for (let i = Math.min(index, this.own.length); i > 0; i -= i & -i) sum += this.tree[i] ?? 0;
    return sum;
  }

  get total(): number {
    return this.offset(this.own.length);
  }

  /** The row that covers `y`, held within the table. */
  at(y: number): number {
    let index = 0;
    let rest = y;
    let step = 1;
    while (step * 2 < this.tree.length) step *= 2;
    for (; step > 0; step >>= 1) {
      const next = index + step;
      if (next < this.tree.length && (this.tree[next] ?? 0) <= rest) {
        rest -= this.tree[next] ?? 0;
        index = next;
      }
    }
    return Math.max(0, Math.min(index, this.own.length - 1));
  }
}
